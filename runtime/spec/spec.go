// Package spec turns what was asked of a container into an OCI runtime
// specification. It is the only place that makes one.
//
// Build is a pure function: whatever depends on the machine or on the moment
// of the start comes in as Inputs. Not here: making any of it true
// (runtime/sandbox), and the defaults that a person can set (libpod/settings).
package spec

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

// Inputs is what only the process that starts a container knows.
type Inputs struct {
	// Host is the machine. All other fields may be left out where they do not
	// apply.
	Host hostfacts.Facts
	// Rootless says that skiff runs for an ordinary user, in a user namespace.
	Rootless bool
	// Rootfs is the absolute path of the root file system.
	Rootfs string
	// User is the first process's, see ResolveUser.
	User User
	// Sources are the absolute paths of what is mounted, by target: needed for
	// volumes and images, and replaces the source of a bind mount if given.
	Sources map[string]string
	// Files that are mounted over the container's own; empty means none. A mount
	// of the user's at the same place wins.
	ResolvConf, Hosts, HostnameFile string
	// Hostname is the name in a UTS namespace that is not the container's own,
	// for the environment.
	Hostname string
	// Join are the namespaces to join, as paths.
	Join Join
	// Shm is the directory to mount on /dev/shm in a joined or the host's IPC
	// namespace; empty means the host's /dev/shm.
	Shm string
	// Devices are cfg.Devices as the host has them, HostDevices all of the host's,
	// needed for a privileged container. BlockDevices are the devices that the
	// block I/O limits name, by the path given there.
	Devices      []Device
	HostDevices  []hostfacts.Device
	BlockDevices map[string]hostfacts.Device
	// InitPath is the host's path of the init program, needed with --init.
	InitPath string
	// Resctrl says that /sys/fs/resctrl is there, needed with a class of RDT.
	Resctrl bool
	// SecretFiles are the files of the secrets, one for each of the config's; those
	// of variables are not looked at.
	SecretFiles []string
	// Notify is the directory of the socket for messages to the service manager;
	// empty where the container sends none.
	Notify string
	// ContainerEnv is the host's file for ContainerEnv; empty where nothing is to be
	// mounted there.
	ContainerEnv string
	// BareSys says that nothing is mounted below the host's /sys/kernel as the
	// caller sees it.
	BareSys bool
	// SystemdCgroup is the container's directory in systemd's own hierarchy of cgroup
	// v1; empty where there is none.
	SystemdCgroup string
	// CgroupPath is the place of the container's cgroup where it is not below the
	// usual parent; relative to the caller's own cgroup unless absolute.
	CgroupPath string
	// CgroupPrefix names the default parent of containers' cgroups, such as
	// "skiff"; see cgroupsPath.
	CgroupPrefix string
	// ProcessLabel and MountLabel are the SELinux labels.
	ProcessLabel, MountLabel string
	// Warn is told, in one line each, what cannot be done here and is left out.
	Warn func(line string)
}

// Join are paths of namespaces; an empty one is not joined. User is also the path
// of one that was made for the container. Host then has the facts that hold in it.
type Join struct{ Net, Pid, IPC, UTS, User, Cgroup string }

// Device is a host's device and what the container may do with it.
type Device struct {
	hostfacts.Device
	// Container is its path in the container.
	Container string
	// Permissions are of r, w and m.
	Permissions string
}

// builder gathers one spec.
type builder struct {
	cfg *state.Config
	in  Inputs
	out *specs.Spec
}

// Build makes the runtime specification of a container. The error says, from
// the user's view, what cannot be done on this machine.
func Build(cfg *state.Config, in Inputs) (*specs.Spec, error) {
	if in.Warn == nil {
		in.Warn = func(string) {}
	}
	b := &builder{cfg: cfg, in: in, out: &specs.Spec{
		Version:     specs.Version,
		Annotations: cfg.Annotations,
		Root:        &specs.Root{Path: in.Rootfs, Readonly: cfg.ReadOnly},
		Process:     &specs.Process{},
		Linux:       &specs.Linux{},
	}}
	for _, step := range []func() error{
		b.namespaces, b.process, b.mounts, b.files, b.paths, b.devices,
		b.resources, b.sysctls, b.confinement, b.seccomp, b.extras,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.out, nil
}

// namespaces decides which of them are new, joined or the host's.
func (b *builder) namespaces() error {
	ns, join := b.cfg.Namespaces, b.in.Join
	add := func(t specs.LinuxNamespaceType, path string) {
		b.out.Linux.Namespaces = append(b.out.Linux.Namespaces, specs.LinuxNamespace{Type: t, Path: path})
	}
	add(specs.MountNamespace, "")
	for _, n := range []struct {
		kind specs.LinuxNamespaceType
		mode string
		path string
	}{
		{specs.PIDNamespace, ns.Pid, join.Pid},
		{specs.IPCNamespace, ns.Ipc, join.IPC},
		{specs.UTSNamespace, ns.Uts, join.UTS},
		{specs.CgroupNamespace, b.cgroupMode(), join.Cgroup},
		{specs.NetworkNamespace, b.cfg.Network.Mode, join.Net},
	} {
		switch {
		case n.mode == "host":
		case strings.HasPrefix(n.mode, "container:") || strings.HasPrefix(n.mode, "ns:"):
			if n.path == "" {
				return fmt.Errorf("cannot join the %s namespace of %q: it is not running", n.kind, strings.TrimPrefix(n.mode, "container:"))
			}
			add(n.kind, n.path)
		default:
			add(n.kind, n.path)
		}
	}
	switch {
	case join.User != "":
		add(specs.UserNamespace, join.User)
	case b.cfg.OwnUserNS():
		return fmt.Errorf("cannot use the user namespace %q: it was not made", ns.User)
	}
	if b.has(specs.UTSNamespace) && join.UTS == "" {
		b.out.Hostname, b.out.Domainname = b.hostname(), b.cfg.Domainname
	}
	return nil
}

// cgroupMode is the mode of the cgroup namespace: by default a new one where
// the container sees one hierarchy of its own, as Docker has it, and for systemd,
// which looks in the hierarchy for the path that /proc/self/cgroup names.
func (b *builder) cgroupMode() string {
	if m := b.cfg.Namespaces.Cgroup; m != "" {
		return m
	}
	if b.in.Host.Cgroup.V2() || b.in.SystemdCgroup != "" {
		return "private"
	}
	return "host"
}

// hostname is the container's name for itself.
func (b *builder) hostname() string {
	switch {
	case !b.has(specs.UTSNamespace) || b.in.Join.UTS != "":
		return b.in.Hostname
	case b.cfg.Hostname != "":
		return b.cfg.Hostname
	}
	return b.cfg.ID[:min(12, len(b.cfg.ID))]
}

// has says whether the container has a namespace other than skiff's own.
func (b *builder) has(t specs.LinuxNamespaceType) bool {
	for _, n := range b.out.Linux.Namespaces {
		if n.Type == t {
			return true
		}
	}
	return false
}

// privileged is used often enough to have a name.
func (b *builder) privileged() bool { return b.cfg.Security.Privileged }

// CgroupDir is where a container sees its cgroups.
const CgroupDir = "/sys/fs/cgroup"

// paths hides what in /proc and /sys is the host's business.
func (b *builder) paths() error {
	if b.privileged() {
		return nil
	}
	sec := b.cfg.Security
	b.out.Linux.MaskedPaths = append(without(maskedPaths(b.in.Host.CPUs), sec.Unmask), sec.Mask...)
	b.out.Linux.ReadonlyPaths = without(readonlyPaths(), sec.Unmask)
	if g := b.in.Host.Cgroup; g.Mode != "" && !g.V2() && !b.cfg.Extra().WritableCgroups && !unmasks(sec.Unmask, CgroupDir) &&
		!replaced(CgroupDir, b.cfg.Mounts) {
		// Of cgroup v1 the runtime makes the hierarchies read-only, but not the
		// directory of them.
		b.out.Linux.ReadonlyPaths = append(b.out.Linux.ReadonlyPaths, CgroupDir)
	}
	if b.in.Host.UserNS && !b.has(specs.NetworkNamespace) && !b.in.BareSys && !unmasks(sec.Unmask, "/sys/kernel") {
		// /sys is the host's own then, see sysMount.
		b.out.Linux.MaskedPaths = append(b.out.Linux.MaskedPaths, "/sys/kernel")
	}
	return nil
}

// maskedPaths are hidden from containers, as Docker has it.
func maskedPaths(cpus int) []string {
	out := []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	for i := range cpus {
		out = append(out, fmt.Sprintf("/sys/devices/system/cpu/cpu%d/thermal_throttle", i))
	}
	return out
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// without drops the paths that the user wants to see. Docker:
// systempaths=unconfined, Podman: unmask=PATH, with shell patterns.
func without(paths, unmask []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if !unmasks(unmask, p) {
			out = append(out, p)
		}
	}
	return out
}

func unmasks(unmask []string, p string) bool {
	for _, u := range unmask {
		if ok, err := path.Match(u, p); u == "ALL" || u == "all" || u == p || err == nil && ok {
			return true
		}
	}
	return false
}

// confinement sets the profiles of AppArmor and SELinux.
func (b *builder) confinement() error {
	host, profile := b.in.Host, b.cfg.Security.AppArmor
	switch {
	case profile == "" && host.AppArmor && !b.privileged():
		profile = host.AppArmorDefault
	case profile == "unconfined" || profile == "":
		profile = ""
		if host.AppArmor && b.cfg.Security.AppArmor == "unconfined" {
			profile = "unconfined"
		}
	case !host.AppArmor:
		return fmt.Errorf("cannot use the AppArmor profile %q: %w", profile, errNoAppArmor)
	}
	b.out.Process.ApparmorProfile = profile
	if host.SELinux && !b.privileged() {
		b.out.Process.SelinuxLabel, b.out.Linux.MountLabel = b.in.ProcessLabel, b.in.MountLabel
	}
	return nil
}

var errNoAppArmor = errors.New("this machine has no AppArmor")
