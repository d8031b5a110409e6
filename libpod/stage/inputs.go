package stage

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"skiff/libpod"
	"skiff/libpod/account"
	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/runtime/hostfacts"
	"skiff/runtime/program"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
	"skiff/state/jsonfile"
)

// inputs gathers what the spec needs and only this process knows.
func (s *starter) inputs(net *networkStep) (in spec.Inputs, err error) {
	in = s.knownInputs()
	if jsonfile.Exists(s.dirs.Notify()) {
		in.Notify = s.dirs.Notify()
	}
	in.Join.Net = net.path()
	if net.joined != "" {
		in.ResolvConf, in.Hosts = net.shared.ResolvConf(), net.shared.Hosts()
	}
	if s.cfg.Hostname == "" {
		in.Hostname, _ = os.Hostname()
	}
	if s.user != nil {
		in.Join.User = s.user.path()
		if err := s.ownFiles(); err != nil {
			return in, err
		}
	}
	for _, step := range []func(*spec.Inputs) error{s.account, s.initProgram, s.join, s.devices, s.sources, s.extras, s.bareSys, s.systemdCgroup, s.containerEnv} {
		if err := step(&in); err != nil {
			return in, err
		}
	}
	return in, nil
}

// knownInputs are those that are known from the start.
func (s *starter) knownInputs() spec.Inputs {
	host := s.seen()
	if s.withoutCgroup() {
		host.Cgroup = hostfacts.Cgroup{} // there is nothing to limit or to show
	}
	return spec.Inputs{
		Host:         host,
		Rootless:     s.facts.UserNS,
		Rootfs:       s.rootfs(),
		Sources:      map[string]string{},
		ResolvConf:   s.dirs.ResolvConf(),
		Hosts:        s.dirs.Hosts(),
		HostnameFile: s.dirs.HostnameFile(),
		CgroupPath:   s.cgroupPath,
		CgroupPrefix: libpod.CgroupPrefix(s.engine.Roots),
		Warn:         s.warn,
	}
}

func (s *starter) account(in *spec.Inputs) (err error) {
	if err := s.addUsers(); err != nil {
		return err
	}
	in.User, err = account.Resolve(s.root, s.cfg.Process.User, s.cfg.Process.Groups)
	if err != nil {
		return err
	}
	if in.User, err = s.exists(in.User); err == nil && s.cfg.Extra().KeepGroups {
		in.User.Groups, err = callersGroups(in.User.Groups)
	}
	return err
}

func (s *starter) initProgram(in *spec.Inputs) (err error) {
	if s.cfg.Process.Init && s.cfg.Extra().InitPath != "" {
		in.InitPath = s.cfg.Extra().InitPath
		if _, err := os.Stat(in.InitPath); err != nil {
			return fmt.Errorf("cannot use the init program: %w", err)
		}
		return nil
	}
	if s.cfg.Process.Init {
		in.InitPath, err = program.File(s.engine.Roots, program.Init)
	}
	return err
}

// join finds the namespaces of other containers that this one shares.
func (s *starter) join(in *spec.Inputs) error {
	ns := s.cfg.Namespaces
	for _, n := range []struct {
		kind, mode string
		path       *string
	}{
		{"pid", ns.Pid, &in.Join.Pid},
		{"ipc", ns.Ipc, &in.Join.IPC},
		{"uts", ns.Uts, &in.Join.UTS},
		{"cgroup", ns.Cgroup, &in.Join.Cgroup},
	} {
		if file, ok := strings.CutPrefix(n.mode, "ns:"); ok {
			path, err := s.namespaceAt(file, n.kind)
			if err != nil {
				return err
			}
			*n.path = path
			continue
		}
		id, ok := strings.CutPrefix(n.mode, state.ModeContainer)
		if !ok {
			continue
		}
		path, err := s.namespaceOf(id, n.kind)
		if err != nil {
			return err
		}
		*n.path = path
		if n.kind == "ipc" {
			if in.Shm, err = s.sharedMemory(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// sharedMemory mounts the shared memory of another container where only this
// one sees it: the memory belongs to the IPC namespace, the mount does not.
func (s *starter) sharedMemory(id string) (string, error) {
	target := filepath.Join(s.dirs.Run, "shm")
	if err := os.MkdirAll(target, 0o700); err != nil {
		return "", err
	}
	if err := layer.PrivateMountPoint(target); err != nil {
		return "", err
	}
	box, err := sandbox.Load(s.engine.Roots.Sandboxes(), id)
	if err != nil {
		return "", err
	}
	return target, box.MountFrom("/dev/shm", target)
}

// devices reads what the host has where the user named devices.
func (s *starter) devices(in *spec.Inputs) error {
	for _, d := range s.cfg.Devices {
		if d.Vendor != "" {
			continue // see addVendors
		}
		found, err := hostfacts.DeviceAt(d.Host)
		if errors.Is(err, hostfacts.ErrNoDevice) {
			below, berr := hostfacts.DevicesBelow(d.Host)
			if berr != nil || len(below) == 0 {
				return err
			}
			for _, b := range below {
				in.Devices = append(in.Devices, spec.Device{
					Device: b, Container: d.Container + strings.TrimPrefix(b.Path, d.Host), Permissions: d.Permissions,
				})
			}
			continue
		}
		if err != nil {
			return err
		}
		in.Devices = append(in.Devices, spec.Device{Device: found, Container: d.Container, Permissions: d.Permissions})
	}
	if s.cfg.Security.Privileged {
		all, err := hostfacts.DevicesBelow("/dev")
		if err != nil {
			return err
		}
		in.HostDevices = all
	}
	return s.blockDevices(in)
}

func (s *starter) blockDevices(in *spec.Inputs) error {
	in.BlockDevices = map[string]hostfacts.Device{}
	r := s.cfg.Resources
	var paths []string
	for _, list := range [][]state.ThrottleDevice{r.DeviceReadBps, r.DeviceWriteBps, r.DeviceReadIOps, r.DeviceWriteIOps} {
		for _, d := range list {
			paths = append(paths, d.Path)
		}
	}
	for _, d := range r.BlkioWeightDevice {
		paths = append(paths, d.Path)
	}
	for _, path := range paths {
		d, err := hostfacts.DeviceAt(path)
		if err != nil {
			return err
		}
		in.BlockDevices[path] = d
	}
	return nil
}

// sources finds the directories of volumes, filling those that are used for
// the first time with what the image has in their place.
func (s *starter) sources(in *spec.Inputs) error {
	for _, m := range s.cfg.Mounts {
		switch m.Type {
		case state.MountVolume, state.MountBind:
			path, err := s.place(m)
			if err != nil {
				return err
			}
			if path, err = s.over(m, path); err != nil {
				return err
			}
			if err := s.ownMount(m, cmp.Or(path, m.Source), in.User); err != nil {
				return err
			}
			in.Sources[m.Target] = path
		case state.MountImage:
			path, err := s.imageMount(m)
			if err != nil {
				return err
			}
			in.Sources[m.Target] = path
		case state.MountLayers:
			path, err := s.layersMount(m, m.Layers, "what is to be seen at "+m.Target)
			if err != nil {
				return err
			}
			in.Sources[m.Target] = path
		}
	}
	return nil
}

// place finds what a volume or path of the host's is to be mounted from; "" for the
// path itself.
func (s *starter) place(m state.Mount) (string, error) {
	if m.Type == state.MountVolume {
		return s.volume(m)
	}
	if s.user != nil {
		return s.user.binds[m.Target], nil
	}
	if _, err := os.Stat(m.Source); err != nil {
		return "", noSource(m, err)
	}
	return "", nil
}

func noSource(m state.Mount, err error) error {
	return fmt.Errorf("cannot mount %q on %q: bind source path does not exist: %w", m.Source, m.Target, err)
}

func (s *starter) volume(m state.Mount) (string, error) {
	path, err := s.engine.Volumes.Use(m.Source)
	if err != nil {
		return "", err
	}
	if err := s.engine.Volumes.Attach(m.Source); err != nil {
		return "", err
	}
	if !m.NoCopy && m.Overlay == nil { // which leaves the volume as it is
		if err := s.engine.Volumes.Fill(s.root, m.Target, m.Source); err != nil {
			return "", err
		}
	}
	if m.Subpath != "" {
		if path, err = subpath(path, m.Subpath); err != nil {
			return "", err
		}
	}
	return s.stageVolume(m, path)
}

// subpath finds a directory within a volume, whose content is the containers'
// and may hold links that lead out.
func subpath(volume, sub string) (string, error) {
	root, err := safepath.OpenRoot(volume)
	if err != nil {
		return "", err
	}
	defer root.Close()
	inside, err := root.Resolve(sub)
	if err != nil {
		return "", fmt.Errorf("cannot use subpath %q: %w", sub, err)
	}
	return filepath.Join(volume, inside), nil
}
