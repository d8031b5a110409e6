package cmd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

type duration = time.Duration

func (f *form) network() {
	c, n := f.c, &f.cfg.Network
	values(f, "network", func(s string) (string, error) { return s, parse.Network(n, s) }, func(string) {})
	given := &f.req.Explicit
	word(f, "ip", parse.IP4, func(s string) { given.IP = s })
	word(f, "ip6", parse.IP6, func(s string) { given.IP6 = s })
	word(f, "mac-address", parse.MAC, func(s string) { given.MAC = s })
	values(f, "network-alias", func(s string) (string, error) { return parse.Hostname("network alias", s) },
		func(s string) { given.Aliases = append(given.Aliases, s) })
	values(f, "publish", parse.Publish, func(p []state.Port) { n.Ports = append(n.Ports, p...) })
	values(f, "expose", parse.Expose, func(p []string) { n.Expose = append(n.Expose, p...) })
	n.PublishAll = c.Bool("publish-all")
	if f.err == nil && (len(n.Ports) > 0 || n.PublishAll) {
		f.unpublishable(n)
	}
}

// unpublishable discards ports that the network has no use for, and says so the
// way the command that skiff is called as does: Docker has nothing to say of the
// network none, and refuses another container's (libpod/resolve does).
func (f *form) unpublishable(n *state.Network) {
	mode, _, _ := strings.Cut(n.Mode, ":")
	switch mode {
	case state.ModeHost, state.ModeNone, strings.TrimSuffix(state.ModePath, ":"):
	case strings.TrimSuffix(state.ModeContainer, ":"):
		if f.docker {
			return
		}
	default:
		return
	}
	switch {
	case !f.docker:
		f.note(fmt.Sprintf("Port mappings have been discarded because %q network namespace mode does not support them", mode))
	case mode == state.ModeHost:
		f.note("WARNING: Published ports are discarded when using host network mode")
	}
	n.Ports, n.PublishAll = nil, false
}

func (f *form) names() {
	n, given := &f.cfg.Network, &f.req.Explicit
	if given.Hostname = f.c.IsSet("hostname") && f.c.String("hostname") != ""; given.Hostname {
		word(f, "hostname", func(s string) (string, error) { return parse.Hostname("hostname", s) },
			func(s string) { f.cfg.Hostname = s })
	}
	word(f, "domainname", func(s string) (string, error) { return parse.Hostname("domain name", s) },
		func(s string) { f.cfg.Domainname = s })
	values(f, "add-host", parse.ExtraHost, func(h []string) { n.ExtraHosts = append(n.ExtraHosts, h...) })
	values(f, "dns", parse.IP, func(s string) { n.DNS = append(n.DNS, s) })
	values(f, "dns-option", parse.DNSOption, func(s string) { n.DNSOptions = append(n.DNSOptions, s) })
	values(f, "dns-search", parse.DNSSearch, func(s string) { n.DNSSearch = append(n.DNSSearch, s) })
}

func (f *form) memory() {
	r := &f.cfg.Resources
	sized(f, "memory", func(n int64) { r.Memory = n })
	if f.c.String("memory-swap") == "-1" {
		r.MemorySwap = -1
	} else {
		sized(f, "memory-swap", func(n int64) { r.MemorySwap = n })
	}
	sized(f, "memory-reservation", func(n int64) { r.MemoryReservation = n })
	sized(f, "kernel-memory", func(int64) {
		f.warn("The --kernel-memory flag is no longer supported. This flag is a noop.")
	})
	f.number("memory-swappiness", -1, 100, func(n int) {
		if n >= 0 {
			v := int64(n)
			r.MemorySwappiness = &v
		}
	})
	if r.OOMKillDisable = f.c.Bool("oom-kill-disable"); r.OOMKillDisable && r.Memory == 0 && f.err == nil {
		f.warn("without --memory the whole machine may stand still when the OOM killer is disabled")
	}
	sized(f, "shm-size", func(n int64) { f.cfg.ShmSize, f.req.Explicit.ShmSize = n, true })
}

func (f *form) cpu() {
	r := &f.cfg.Resources
	word(f, "cpus", f.cpus, func(n int64) { r.NanoCPUs = n })
	whole(f, "cpu-shares", 0, 262144, func(n int64) { r.CPUShares = uint64(n) })
	whole(f, "cpu-period", 0, 1000000, func(n int64) { r.CPUPeriod = uint64(n) })
	whole(f, "cpu-quota", -1, math.MaxInt64, func(n int64) { r.CPUQuota = n })
	whole(f, "cpu-rt-period", 0, math.MaxInt64, func(n int64) { r.CPURealtimePeriod = uint64(n) })
	whole(f, "cpu-rt-runtime", -1, math.MaxInt64, func(n int64) { r.CPURealtimeRuntime = n })
	for _, s := range []struct {
		name string
		dst  *string
	}{{"cpuset-cpus", &r.CpusetCpus}, {"cpuset-mems", &r.CpusetMems}} {
		word(f, s.name, func(v string) (string, error) {
			if v == "" {
				return "", nil
			}
			_, err := parse.CPUSet("--"+s.name, v)
			return v, err
		}, func(v string) { *s.dst = v })
	}
}

// cpus is a number of CPUs, as Docker has it not more than there are.
func (f *form) cpus(s string) (int64, error) {
	n, err := parse.CPUs(s)
	if there := runtime.NumCPU(); err == nil && f.docker && n > int64(there)*1e9 {
		return 0, fmt.Errorf("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", there, there)
	}
	return n, err
}

func (f *form) blockIO() {
	r := &f.cfg.Resources
	f.number("blkio-weight", 0, 1000, func(n int) {
		if n != 0 && n < 10 {
			f.err = fmt.Errorf("invalid value \"%d\" for --blkio-weight: want a whole number from 10 to 1000", n)
		}
		r.BlkioWeight = uint16(n)
	})
	values(f, "blkio-weight-device", parse.WeightDevice, func(w state.WeightDevice) { r.BlkioWeightDevice = append(r.BlkioWeightDevice, w) })
	for _, t := range []struct {
		name string
		read func(string) (state.ThrottleDevice, error)
		dst  *[]state.ThrottleDevice
	}{
		{"device-read-bps", parse.ThrottleBps, &r.DeviceReadBps},
		{"device-write-bps", parse.ThrottleBps, &r.DeviceWriteBps},
		{"device-read-iops", parse.ThrottleIOps, &r.DeviceReadIOps},
		{"device-write-iops", parse.ThrottleIOps, &r.DeviceWriteIOps},
	} {
		values(f, t.name, t.read, func(d state.ThrottleDevice) { *t.dst = append(*t.dst, d) })
	}
}

func (f *form) limits() {
	whole(f, "pids-limit", -1, math.MaxInt32, func(n int64) {
		if n == 0 {
			n = -1 // Docker and Podman: 0 is no limit
		}
		f.cfg.Resources.PidsLimit, f.req.Explicit.PidsLimit = n, true
	})
	values(f, "ulimit", parse.Ulimit, func(u state.Ulimit) {
		for i := range f.cfg.Ulimits {
			if f.cfg.Ulimits[i].Name == u.Name {
				f.cfg.Ulimits[i] = u
				return
			}
		}
		f.cfg.Ulimits = append(f.cfg.Ulimits, u)
	})
	f.cfg.CgroupParent = f.c.String("cgroup-parent")
}

func (f *form) mounts() {
	add := func(m state.Mount) { f.cfg.Mounts = append(f.cfg.Mounts, m) }
	given := map[string]bool{}
	values(f, "volume", func(s string) ([]state.Mount, error) {
		if given[s] { // the same once more, which Docker takes for once
			return nil, nil
		}
		given[s] = true
		m, err := parse.Volume(s, f.cwd)
		return []state.Mount{m}, err
	}, func(list []state.Mount) { f.cfg.Mounts = append(f.cfg.Mounts, list...) })
	values(f, "mount", f.mountValue,
		func(list []state.Mount) { f.cfg.Mounts = append(f.cfg.Mounts, list...) })
	values(f, "tmpfs", parse.Tmpfs, add)
	f.cfg.ReadOnly, f.req.Explicit.ReadOnly = f.c.Bool("read-only"), f.c.IsSet("read-only")
	f.cfg.ReadOnlyTmpfs = f.c.Bool("read-only-tmpfs")
	f.req.Explicit.ReadOnlyTmpfs = f.c.IsSet("read-only-tmpfs")
}

// mountValue reads one --mount.
func (f *form) mountValue(s string) ([]state.Mount, error) {
	list, err := mountsOf(s, f.cwd)
	if err != nil || len(list) != 1 || list[0].Type != state.MountVolume {
		return list, err
	}
	labels, options, err := parse.VolumeSpec(s)
	if err == nil && (labels != nil || options != nil) {
		if f.req.Volumes == nil {
			f.req.Volumes = map[string]libpod.VolumeOptions{}
		}
		f.req.Volumes[list[0].Target] = libpod.VolumeOptions{Labels: labels, Options: options}
	}
	return list, err
}

func (f *form) security() {
	sec := &f.cfg.Security
	sec.Privileged = f.c.Bool("privileged")
	values(f, "cap-add", parse.Capability, func(c []string) { sec.CapAdd = append(sec.CapAdd, c...) })
	values(f, "cap-drop", parse.Capability, func(c []string) { sec.CapDrop = append(sec.CapDrop, c...) })
	values(f, "security-opt", func(s string) (string, error) { return s, parse.SecurityOpt(sec, s, readProfile) }, func(string) {})
	values(f, "device", parse.Device, func(d state.Device) { f.cfg.Devices = append(f.cfg.Devices, d) })
	if f.err == nil {
		f.cfg.Sysctls, f.err = parse.Sysctls(f.c.StringSlice("sysctl"))
	}
}

func readProfile(path string) (string, error) {
	return readFile(path, func(r io.Reader) (string, error) {
		b, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
		if err == nil && len(b) > maxProfile {
			err = fmt.Errorf("it is larger than %d bytes", maxProfile)
		}
		return string(b), err
	})
}

func (f *form) namespaces() {
	for _, flag := range []string{"pid", "ipc", "uts", "userns", "cgroupns"} {
		f.namespace(flag, f.c.String(flag))
	}
	f.userNamespace()
}

// namespace sets where a namespace comes from.
func (f *form) namespace(kind, value string) {
	if f.err != nil {
		return
	}
	ns := &f.cfg.Namespaces
	dst := map[string]*string{"pid": &ns.Pid, "ipc": &ns.Ipc, "uts": &ns.Uts, "userns": &ns.User, "cgroupns": &ns.Cgroup}[kind]
	*dst, f.err = parse.Namespace(kind, value)
}

// reserveCIDFile refuses a file that is there: it would hide which container
// a script has made. The engine writes the id.
func reserveCIDFile(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("container ID file found: make sure the other container is not running, or delete %s", path)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot write the container ID file: %w", err)
	}
	return nil
}
