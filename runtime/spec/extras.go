package spec

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/state"
)

// extras adds what few containers have.
func (b *builder) extras() error {
	if b.cfg.Extras == nil {
		return nil
	}
	x := b.cfg.Extra()
	b.out.Process.User.Umask = x.Umask
	if x.Personality != "" {
		b.out.Linux.Personality = &specs.LinuxPersonality{Domain: specs.LinuxPersonalityDomain(x.Personality)}
	}
	for i := range b.out.Mounts {
		m := &b.out.Mounts[i]
		switch {
		case m.Destination == "/proc" && len(x.ProcOptions) > 0 && m.Type == "proc":
			m.Options = append(m.Options, x.ProcOptions...)
		case m.Destination == "/sys/fs/cgroup" && m.Type == "cgroup" && (x.WritableCgroups || b.systemdV2()):
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "ro" || o == "rw" })
			m.Options = append(m.Options, "rw")
		}
	}
	b.secrets(x.Secrets)
	if x.RdtClass != "" {
		if !b.in.Resctrl {
			return fmt.Errorf("cannot use the class %q: no resctrl file system is mounted on /sys/fs/resctrl", x.RdtClass)
		}
		b.out.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: x.RdtClass}
	}
	return b.cgroupExtras(x)
}

// cgroupExtras are rules for devices and settings of the cgroup.
func (b *builder) cgroupExtras(x state.Extras) error {
	r := b.out.Linux.Resources
	for _, rule := range x.DeviceRules {
		d, err := deviceRule(rule)
		if err != nil {
			return err
		}
		r.Devices = append(r.Devices, d)
	}
	if len(x.CgroupConf) == 0 {
		return nil
	}
	if !b.in.Host.Cgroup.V2() {
		return errors.New("cannot use --cgroup-conf: this machine has no cgroup v2")
	}
	r.Unified = maps.Clone(x.CgroupConf)
	return nil
}

// deviceRule reads "TYPE MAJOR:MINOR ACCESS".
func deviceRule(rule string) (d specs.LinuxDeviceCgroup, err error) {
	f := strings.Fields(rule)
	if len(f) != 3 {
		return d, fmt.Errorf("cannot use the device rule %q", rule)
	}
	d = specs.LinuxDeviceCgroup{Allow: true, Type: f[0], Access: f[2]}
	major, minor, _ := strings.Cut(f[1], ":")
	for _, n := range []struct {
		word string
		dst  **int64
	}{{major, &d.Major}, {minor, &d.Minor}} {
		if n.word == "*" {
			continue
		}
		v, err := strconv.ParseInt(n.word, 10, 64)
		if err != nil {
			return d, fmt.Errorf("cannot use the device rule %q", rule)
		}
		*n.dst = &v
	}
	return d, nil
}

// systemdMounts are the file systems that systemd wants for itself
// (systemd.io/CONTAINER_INTERFACE).
func (b *builder) systemdMounts() (out []specs.Mount) {
	x := b.cfg.Extra()
	if !x.Systemd {
		return nil
	}
	for _, d := range []struct{ dir, mode string }{
		{"/run", "mode=755"}, {"/run/lock", "mode=1777"}, {"/tmp", "mode=1777"}, {"/var/log/journal", "mode=755"},
	} {
		opts := []string{"rprivate", "nosuid", "nodev", d.mode}
		if d.dir == "/run" || d.dir == "/tmp" {
			opts = append(opts, "tmpcopyup")
		}
		if x.ShmSizeSystemd > 0 {
			opts = append(opts, "size="+strconv.FormatInt(x.ShmSizeSystemd, 10))
		}
		out = append(out, specs.Mount{Destination: d.dir, Type: "tmpfs", Source: "tmpfs", Options: opts})
	}
	switch {
	case b.in.Host.Cgroup.V2():
	case b.in.SystemdCgroup != "":
		// On v1 it needs only its own hierarchy, which limits nothing.
		out = append(out, specs.Mount{
			Destination: "/sys/fs/cgroup/systemd", Type: "bind", Source: b.in.SystemdCgroup,
			Options: []string{"bind", "rprivate", "rw", "nosuid", "nodev", "noexec"},
		})
	default:
		b.in.Warn("systemd in a container needs cgroup v2 or systemd's own hierarchy of v1: here it cannot change its cgroups")
	}
	return out
}

// systemdV2 says whether the cgroups are systemd's to manage.
func (b *builder) systemdV2() bool { return b.cfg.Extra().Systemd && b.in.Host.Cgroup.V2() }

// networkFiles are the files of the network and the name and their places, the
// latter also in directories that somebody changes into.
func (b *builder) networkFiles() (out [][2]string) {
	x := b.cfg.Extra()
	list := [][2]string{{b.in.ResolvConf, "/etc/resolv.conf"}, {b.in.Hosts, "/etc/hosts"}, {b.in.HostnameFile, "/etc/hostname"}}
	for _, root := range append([]string{"/"}, x.ChrootDirs...) {
		for _, f := range list {
			if x.NoHosts && f[1] == "/etc/hosts" || x.NoHostname && f[1] == "/etc/hostname" {
				continue
			}
			out = append(out, [2]string{f[0], path.Join(root, f[1])})
		}
	}
	return out
}

// secrets mounts the files of secrets.
func (b *builder) secrets(uses []state.SecretUse) {
	for i, s := range uses {
		if s.Target == "" || i >= len(b.in.SecretFiles) {
			continue
		}
		b.out.Mounts = append(b.out.Mounts, specs.Mount{
			Destination: s.Target, Type: "bind", Source: b.in.SecretFiles[i],
			Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"},
		})
	}
}
