package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/libpod/inspect"
	"skiff/runtime/hostfacts"
	"skiff/state"
)

// Info describes the machine and this engine's stores. version is skiff's own.
func (e *Engine) Info(version string) (*inspect.Info, error) {
	store, err := e.storeInfo()
	if err != nil {
		return nil, err
	}
	return &inspect.Info{
		Host:       e.hostInfo(version),
		Store:      store,
		Registries: map[string]any{"search": []string{"localhost", "docker.io"}},
		Plugins: inspect.Plugins{
			Volume: []string{"local"}, Network: []string{"bridge"},
			Log: []string{state.LogJSONFile, state.LogK8sFile, state.LogJournald, state.LogNone, state.LogPassthrough},
		},
		Version: VersionInfo(version),
	}, nil
}

func (e *Engine) hostInfo(version string) *inspect.HostInfo {
	var uts unix.Utsname
	_ = unix.Uname(&uts)
	host, _ := os.Hostname()
	mem := meminfo()
	h := &inspect.HostInfo{
		Arch: runtime.GOARCH, BuildahVersion: BuildahVersion, CPUs: runtime.NumCPU(), CPUUtilization: cpuUsage(),
		DatabaseBackend: "files", Distribution: distribution(), EventLogger: e.eventLogger(), Hostname: host,
		IDMappings: e.idMappings(), Kernel: unix.ByteSliceToString(uts.Release[:]),
		LogDriver: e.defaultLogDriver(), MemFree: mem["MemFree"], MemTotal: mem["MemTotal"],
		SwapFree: mem["SwapFree"], SwapTotal: mem["SwapTotal"], OS: runtime.GOOS, Uptime: uptime(),
		NetworkBackend: "skiff", RootlessNetworkCmd: "pasta", Pasta: tool("pasta"), Linkmode: "static",
		Security: e.securityInfo(), ServiceIsRemote: false,
	}
	facts := hostfacts.New()
	h.CgroupManager = e.defaultCgroupManager(facts)
	h.CgroupsVersion, h.CgroupControllers = cgroups()
	if e.Rootless() { // what the user was given of them
		own := facts.Cgroup().By(h.CgroupManager)
		h.CgroupControllers = slices.DeleteFunc(h.CgroupControllers, func(c string) bool { return !own.Has(c) })
	}
	h.NetworkBackendInfo = inspect.NetworkInfo{Backend: "skiff", Version: "skiff " + version, Package: "skiff", DNS: inspect.Tool{Package: "skiff", Version: "skiff " + version}}
	h.Conmon = inspect.Program{Package: "skiff", Path: e.monitorPath(), Version: "skiff monitor version " + version}
	h.OCIRuntime = e.runtimeInfo(version)
	return h
}

// runtimeInfo is skiff's own runtime, which is runc's library, unless the user
// asked for another.
func (e *Engine) runtimeInfo(version string) inspect.NamedProgram {
	if path := e.defaultRuntime(); path != "" {
		return inspect.NamedProgram{Name: filepath.Base(path), Path: path}
	}
	exe, _ := os.Executable()
	text := "skiff version " + version
	if v := moduleVersion("github.com/opencontainers/runc"); v != "" {
		text += "\nlibcontainer: " + v
	}
	return inspect.NamedProgram{Name: "skiff", Package: "skiff", Path: exe, Version: text}
}

// monitorPath is the unpacked monitor of this version; the program itself as
// long as none has been unpacked.
func (e *Engine) monitorPath() string {
	found, _ := filepath.Glob(filepath.Join(e.Roots.Programs(), "monitor-*"))
	newest, when := "", int64(0)
	for _, path := range found {
		if st, err := os.Stat(path); err == nil && st.ModTime().UnixNano() >= when {
			newest, when = path, st.ModTime().UnixNano()
		}
	}
	if newest == "" {
		newest, _ = os.Executable()
	}
	return newest
}

func (e *Engine) securityInfo() inspect.SecurityInfo {
	apparmor, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	_, selinux := os.Stat("/sys/fs/selinux/enforce")
	_, seccomp := os.Stat("/proc/sys/kernel/seccomp/actions_avail")
	return inspect.SecurityInfo{
		AppArmorEnabled:     strings.HasPrefix(string(apparmor), "Y"),
		DefaultCapabilities: strings.Join(e.defaultCapabilities(), ","),
		Rootless:            e.Rootless(),
		SECCOMPEnabled:      seccomp == nil,
		SECCOMPProfilePath:  "default",
		SELinuxEnabled:      selinux == nil,
	}
}

func (e *Engine) storeInfo() (*inspect.StoreInfo, error) {
	s := &inspect.StoreInfo{
		ConfigFile: storageConf(), GraphDriverName: "overlay", GraphOptions: graphOptions(e.Global.StorageOptions),
		GraphRoot: e.Roots.Data, RunRoot: e.Roots.Run, VolumePath: e.Roots.Volumes(),
		ImageCopyTmpDir: imageTmpDir(), GraphStatus: map[string]string{},
	}
	if e.Global.StorageDriver == "vfs" || isDir(filepath.Join(e.Roots.Storage(), "vfs-images")) {
		s.GraphDriverName = "vfs"
	}
	containers, err := e.containers()
	if err != nil {
		return nil, err
	}
	s.ContainerStore.Number = len(containers)
	for _, c := range containers {
		switch c.Status.Phase {
		case state.Running, state.Restarting:
			s.ContainerStore.Running++
		case state.Paused:
			s.ContainerStore.Paused++
		default:
			s.ContainerStore.Stopped++
		}
	}
	images, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	s.ImageStore.Number = len(images)
	// Before the first use there is no directory yet: what counts is where it
	// will be.
	for dir := e.Roots.Data; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			s.GraphRootAllocated = st.Blocks * uint64(st.Bsize)
			s.GraphRootUsed = (st.Blocks - st.Bfree) * uint64(st.Bsize)
			s.GraphStatus["Backing Filesystem"] = fsName(int64(st.Type))
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	s.GraphStatus["Native Overlay Diff"] = "true"
	s.GraphStatus["Supports d_type"] = "true"
	s.GraphStatus["Using metacopy"] = "false"
	return s, nil
}

// graphOptions shows --storage-opt: driver options with their driver's name,
// those that may come several times as lists.
func graphOptions(opts []string) map[string]any {
	out := map[string]any{}
	for _, o := range opts {
		key, value, ok := strings.Cut(o, "=")
		if !ok || key == "" {
			continue
		}
		if driver, found := strings.CutSuffix(key, ".imagestore"); found {
			many := driver + ".additionalImageStores"
			old, _ := out[many].([]string)
			out[many] = append(old, value)
		}
		out[key] = value
	}
	return out
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func storageConf() string {
	if path := os.Getenv("CONTAINERS_STORAGE_CONF"); path != "" {
		return path
	}
	for _, path := range []string{"/etc/containers/storage.conf", "/usr/share/containers/storage.conf"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

func imageTmpDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// fsName is a file system's name by its magic number, see statfs(2).
func fsName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "extfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case 0x2fc12fc1:
		return "zfs"
	}
	return fmt.Sprintf("0x%x", magic)
}

// KernelVersion is the release of the running kernel.
func KernelVersion() string {
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return ""
	}
	return unix.ByteSliceToString(uts.Release[:])
}
