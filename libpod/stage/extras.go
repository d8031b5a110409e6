package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/netsetup/dns"
	"skiff/rootfs/layer"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
)

// maxSmallFile bounds what is read of files such as a zone or hosts, in bytes.
const maxSmallFile = 2 << 20

// extras prepares what few containers have.
func (s *starter) extras(in *spec.Inputs) error {
	if s.cfg.Extras == nil {
		return nil
	}
	x := s.cfg.Extra()
	if x.Timezone != "" {
		if err := s.timezone(x.Timezone); err != nil {
			return fmt.Errorf("cannot set the time zone %q: %w", x.Timezone, err)
		}
	}
	if x.RdtClass != "" {
		_, err := os.Stat("/sys/fs/resctrl/schemata")
		in.Resctrl = err == nil
	}
	if b := x.Build; b != nil && b.EnvFile != "" {
		data, err := readSmall(b.EnvFile)
		if err != nil {
			return fmt.Errorf("cannot read the step's secret variables: %w", err)
		}
		env := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
		s.cfg.Process.Env = withMissing(env, s.cfg.Process.Env) // they win
	}
	return s.secrets(in, x.Secrets)
}

// secrets gives the container its own copies of secrets.
func (s *starter) secrets(in *spec.Inputs, uses []state.SecretUse) error {
	in.SecretFiles = make([]string, len(uses))
	env, err := libpod.SecretEnv(s.dirs, uses)
	if err != nil {
		return err
	}
	s.cfg.Process.Env = append(slices.Clip(s.cfg.Process.Env), env...)
	for i, use := range uses {
		if use.Target == "" {
			continue
		}
		file := s.dirs.Secret(i)
		uid, gid, err := s.outside(use.UID, use.GID)
		if err != nil {
			return fmt.Errorf("cannot give secret %q its owner: %w", use.Name, err)
		}
		if err := os.Chown(file, uid, gid); err != nil {
			return fmt.Errorf("cannot give secret %q its owner: %w", use.Name, errors.Unwrap(err))
		}
		if err := unix.Chmod(file, use.Mode); err != nil {
			return fmt.Errorf("cannot give secret %q its mode: %w", use.Name, err)
		}
		in.SecretFiles[i] = file
	}
	return nil
}

// mountOver mounts the root file system, where asked for over or from a
// directory of the host.
func (s *starter) mountOver(o layer.Overlay) error {
	if r := s.cfg.Extra().Rootfs; r != nil {
		if st, err := os.Stat(r.Path); err != nil || !st.IsDir() {
			return fmt.Errorf("cannot run from %q: it is not a directory", r.Path)
		}
		if r.Overlay {
			var err error
			if o.Lower, err = s.layers([]string{r.Path}); err != nil {
				return err
			}
		} else {
			o.Upper = r.Path
		}
	}
	return o.Mount()
}

// Where the host keeps its time zones.
const (
	hostZones = "/usr/share/zoneinfo"
	hostZone  = "/etc/localtime"
)

// timezone makes /etc/localtime: a link where the container has the zone, else
// a copy of the host's.
func (s *starter) timezone(zone string) error {
	const name = "localtime"
	if slices.ContainsFunc(s.cfg.Mounts, func(m state.Mount) bool { return m.Target == hostZone }) {
		return nil
	}
	uid, gid := s.rootIDs()
	if err := s.root.MkdirAll("/etc", 0o755, uid, gid); err != nil {
		return err
	}
	etc, err := s.root.Open("/etc", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer etc.Close()
	dir := int(etc.Fd())
	link := ""
	source := hostZone
	if zone != libpod.ZoneLocal {
		source = filepath.Join(hostZones, zone)
		if st, err := s.root.Stat(source); err == nil && st.Mode().IsRegular() {
			link = ".." + source
		}
	}
	var data []byte
	if link == "" {
		data, err = readSmall(source)
		if errors.Is(err, os.ErrNotExist) && zone == libpod.ZoneLocal {
			// A machine without /etc/localtime has UTC, see localtime(5).
			if err := unix.Unlinkat(dir, name, 0); !errors.Is(err, unix.ENOENT) {
				return err
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
	if err := unix.Unlinkat(dir, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if link != "" {
		return unix.Symlinkat(link, dir, name)
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	return errors.Join(err, f.Chown(uid, gid), f.Close())
}

// readSmall reads a file of the host's.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmallFile+1))
	if err == nil && len(data) > maxSmallFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSmallFile)
	}
	return data, err
}

// hostsBase reads what /etc/hosts is to begin with.
func (s *starter) hostsBase(net *networkStep) (err error) {
	var base []byte
	switch file := s.cfg.Extra().HostsFile; file {
	case "":
		return nil
	case "none":
	case "image":
		base, err = s.root.ReadFile("/etc/hosts", maxSmallFile)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	default:
		base, err = readSmall(file)
	}
	if err != nil {
		return fmt.Errorf("cannot use the hosts file: %w", err)
	}
	if !bytes.Contains(base, []byte("localhost")) {
		base = append(dns.HostsText(nil, nil), base...)
	}
	net.request.HostsBase = base
	return nil
}

// namespaceAt opens a namespace that a file of the host stands for.
func (s *starter) namespaceAt(file, kind string) (string, error) {
	flags := map[string]int{
		"pid": unix.CLONE_NEWPID, "ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP,
		"net": unix.CLONE_NEWNET,
	}
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot join the %s namespace: %w", kind, err)
	}
	if got, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE); err != nil || got != flags[kind] {
		f.Close()
		return "", fmt.Errorf("cannot join the %s namespace: %q is none", kind, file)
	}
	s.held = append(s.held, f)
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(f.Fd())), nil
}

// callersGroups are those of whoever starts the container, with more.
func callersGroups(more []uint32) ([]uint32, error) {
	have, err := os.Getgroups()
	if err != nil {
		return nil, fmt.Errorf("cannot keep the groups: %w", err)
	}
	for _, g := range have {
		more = append(more, uint32(g))
	}
	slices.Sort(more)
	return slices.Compact(more), nil
}

// writePidFiles tells other programs of the first process and its monitor.
func (s *starter) writePidFiles(box *sandbox.Sandbox) error {
	x := s.cfg.Extra()
	for _, f := range []struct {
		path string
		pid  int
	}{{x.PidFile, box.Pid()}, {x.MonitorPidFile, os.Getppid()}} {
		if f.path == "" {
			continue
		}
		if err := os.WriteFile(f.path, []byte(strconv.Itoa(f.pid)), 0o644); err != nil {
			return fmt.Errorf("cannot write the file with the process ID: %w", err)
		}
	}
	return nil
}

// link makes known the containers that this one is linked to.
func (s *starter) link(net *networkStep) error {
	if len(s.cfg.Extra().Links) == 0 {
		return nil
	}
	linked, err := s.engine.Links(s.cfg, false)
	if err != nil {
		return err
	}
	n := &net.request.Network
	n.ExtraHosts = append(slices.Clip(n.ExtraHosts), linked.Hosts...)
	s.cfg.Process.Env = withMissing(s.cfg.Process.Env, linked.Env)
	return nil
}

// withMissing is env with those of more that it does not set.
func withMissing(env, more []string) []string {
	env = slices.Clip(env)
	for _, kv := range more {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
			env = append(env, kv)
		}
	}
	return env
}
