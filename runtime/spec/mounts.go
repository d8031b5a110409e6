package spec

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/state"
)

// DefaultShmSize is the size of /dev/shm in bytes where none is asked for.
const DefaultShmSize = 64 << 20

// mounts are the kernel's file systems and then the user's mounts, those nearer
// to the root first. One of the user's at the place of one of ours replaces it.
func (b *builder) mounts() error {
	own := append(b.kernelMounts(), b.systemdMounts()...)
	if b.cfg.ReadOnly && b.cfg.ReadOnlyTmpfs {
		for _, dir := range []string{"/run", "/tmp", "/var/tmp"} {
			own = append(own, specs.Mount{
				Destination: dir, Type: "tmpfs", Source: "tmpfs",
				Options: []string{"rprivate", "nosuid", "nodev", "tmpcopyup"},
			})
		}
	}
	var users []specs.Mount
	for _, m := range b.cfg.Mounts {
		u, err := b.userMount(m)
		if err != nil {
			return err
		}
		users = append(users, u)
	}
	sort.SliceStable(users, func(i, j int) bool {
		return depth(users[i].Destination) < depth(users[j].Destination)
	})
	if b.cfg.Extra().ReadOnlyDev {
		for i, m := range own {
			if m.Destination == "/dev" || m.Destination == "/dev/shm" {
				own[i].Options = append(m.Options, "ro")
			}
		}
	}
	for _, m := range own {
		if !replaced(m.Destination, b.cfg.Mounts) {
			b.out.Mounts = append(b.out.Mounts, m)
		}
	}
	b.out.Mounts = append(b.out.Mounts, users...)
	return nil
}

func depth(path string) int { return strings.Count(strings.Trim(path, "/"), "/") }

// replaced says whether the user mounts something at path, or on all of /dev.
func replaced(path string, mounts []state.Mount) bool {
	return slices.ContainsFunc(mounts, func(m state.Mount) bool {
		return m.Target == path || m.Target == "/dev" && strings.HasPrefix(path, "/dev/")
	})
}

func (b *builder) kernelMounts() []specs.Mount {
	ro := "ro"
	if b.privileged() {
		ro = "rw"
	}
	pts := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	if !b.in.Host.UserNS || b.in.Host.MappedGIDs > 5 {
		pts = append(pts, "gid=5") // the group tty, see devpts in the kernel's documentation
	}
	out := []specs.Mount{
		b.procMount(),
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: pts},
		b.sysMount(ro),
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{ro, "nosuid", "noexec", "nodev"}},
	}
	if b.in.Host.Cgroup.Mode == "" {
		out = out[:len(out)-1]
	}
	return append(out, b.ipcMounts()...)
}

// procMount is a new /proc. In a user namespace one can be had only for a new
// pid namespace; the host's own has to do otherwise.
func (b *builder) procMount() specs.Mount {
	if b.in.Host.UserNS && !b.has(specs.PIDNamespace) {
		return specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
	}
	return specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
}

// sysMount is a new /sys, which in a user namespace takes a new network
// namespace.
func (b *builder) sysMount(ro string) specs.Mount {
	if b.in.Host.UserNS && !b.has(specs.NetworkNamespace) {
		return specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev", ro}}
	}
	return specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", ro}}
}

// ipcMounts are message queues and shared memory; they belong to the IPC
// namespace.
func (b *builder) ipcMounts() []specs.Mount {
	mode := b.cfg.Namespaces.Ipc
	queue := specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}}
	if mode == "host" && b.in.Host.UserNS {
		queue = specs.Mount{Destination: "/dev/mqueue", Type: "bind", Source: "/dev/mqueue", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
	}
	if mode == "none" {
		return []specs.Mount{queue}
	}
	if mode == "host" || strings.HasPrefix(mode, "container:") {
		src := b.in.Shm
		if src == "" {
			src = "/dev/shm"
		}
		return []specs.Mount{queue, {Destination: "/dev/shm", Type: "bind", Source: src, Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}}}
	}
	size := b.cfg.ShmSize
	if size <= 0 {
		size = DefaultShmSize
	}
	return []specs.Mount{queue, {Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{
		"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(size, 10),
	}}}
}

// userMount is one of the user's.
func (b *builder) userMount(m state.Mount) (specs.Mount, error) {
	switch {
	case m.Type == state.MountDevpts:
		return devptsMount(m), nil
	case m.InMemory():
		return b.tmpfsMount(m), nil
	}
	src := b.in.Sources[m.Target]
	if src == "" && m.Type == state.MountBind {
		src = m.Source
	}
	if src == "" {
		return specs.Mount{}, fmt.Errorf("cannot mount %s %q on %q: it has no directory", m.Type, m.Source, m.Target)
	}
	out := specs.Mount{Destination: m.Target, Type: "bind", Source: src, Options: []string{"rbind"}}
	if m.NonRecursive {
		out.Options[0] = "bind"
	}
	propagation := m.Propagation
	if propagation == "" {
		propagation = "rprivate"
	}
	out.Options = append(out.Options, propagation)
	if m.ReadOnly {
		out.Options = append(out.Options, "ro")
		// What is mounted below the source is made read-only too where the kernel
		// can. Mounts that propagate in later would not be, so with propagation
		// nothing is promised.
		can := b.in.Host.Kernel.AtLeast(5, 12)
		switch {
		case m.Below == state.BelowReadOnly && !can:
			return specs.Mount{}, fmt.Errorf("cannot mount %q on %q read-only with all below it: that takes Linux 5.12", m.Source, m.Target)
		case m.Below == state.BelowReadOnly, m.Below == "" && !m.NonRecursive && propagation == "rprivate" && can:
			out.Options = append(out.Options, "rro")
		}
	}
	for _, o := range m.Options {
		switch {
		case slices.Contains(ignoredOptions(), o):
		case slices.Contains(bindOptions(), o):
			out.Options = append(out.Options, o)
		default:
			return specs.Mount{}, fmt.Errorf("cannot mount %q on %q: unknown option %q", m.Source, m.Target, o)
		}
	}
	return out, nil
}

// tmpfsMount is Docker's --tmpfs: nosuid, nodev, noexec unless the options say
// otherwise, later ones winning.
func (b *builder) tmpfsMount(m state.Mount) specs.Mount {
	out := specs.Mount{Destination: m.Target, Type: m.Type, Source: m.Type, Options: []string{"nosuid", "nodev", "noexec"}}
	if m.Propagation != "" {
		out.Options = append(out.Options, m.Propagation)
	}
	for _, o := range m.Options {
		if !slices.Contains(ignoredOptions(), o) {
			out.Options = append(out.Options, o)
		}
	}
	if slices.Contains(m.Options, "U") && m.Type == state.MountTmpfs {
		out.Options = append(out.Options, fmt.Sprintf("uid=%d", b.in.User.UID), fmt.Sprintf("gid=%d", b.in.User.GID))
	}
	if m.ReadOnly {
		out.Options = append(out.Options, "ro")
	}
	return out
}

// devptsMount is a place of terminals of its own. Podman: --mount type=devpts.
func devptsMount(m state.Mount) specs.Mount {
	opts := append([]string{"nosuid", "noexec", "newinstance", "ptmxmode=0666"}, m.Options...)
	if m.ReadOnly {
		opts = append(opts, "ro")
	}
	return specs.Mount{Destination: m.Target, Type: m.Type, Source: m.Type, Options: opts}
}

// bindOptions are the per-mount flags of mount(8).
func bindOptions() []string {
	return []string{
		"ro", "rw", "rro", "rrw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime",
		"diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "symfollow", "nosymfollow",
		"bind", "rbind", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
	}
}

// ignoredOptions are words of Docker's and Podman's that say nothing to the
// kernel: the engine has acted on them, or they are about other systems.
func ignoredOptions() []string {
	return []string{
		"", "defaults", "z", "Z", "U", "O", "idmap", "copy", "nocopy", "volume-nocopy", "notmpcopyup",
		"consistent", "cached", "delegated",
	}
}

// notifyTarget is where the service manager's socket is in a container; the
// same place as with Podman.
const notifyTarget = "/run/notify"

// ContainerEnv tells programs that they run in a container. Podman: the same.
const ContainerEnv = "/run/.containerenv"

// files mounts the files that belong to the network and the name, the socket to
// the service manager and the init program. They come last: a volume on /etc shall not hide them.
func (b *builder) files() error {
	for _, f := range b.networkFiles() {
		source, target := f[0], f[1]
		if source == "" || slices.ContainsFunc(b.cfg.Mounts, func(m state.Mount) bool { return m.Target == target }) {
			continue
		}
		opts := []string{"bind", "rprivate"}
		if b.cfg.ReadOnly {
			opts = append(opts, "ro")
		}
		b.out.Mounts = append(b.out.Mounts, specs.Mount{Destination: target, Type: "bind", Source: source, Options: opts})
	}
	if b.in.ContainerEnv != "" {
		b.out.Mounts = append(b.out.Mounts, specs.Mount{
			Destination: ContainerEnv, Type: "bind", Source: b.in.ContainerEnv,
			Options: []string{"bind", "rprivate"},
		})
	}
	if b.in.Notify != "" {
		b.out.Mounts = append(b.out.Mounts, specs.Mount{
			Destination: notifyTarget, Type: "bind", Source: b.in.Notify,
			Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"},
		})
	}
	if b.cfg.Process.Init {
		b.out.Mounts = append(b.out.Mounts, specs.Mount{
			Destination: b.initTarget(), Type: "bind", Source: b.in.InitPath,
			Options: []string{"bind", "rprivate", "ro"},
		})
	}
	return nil
}

// initTarget is where the init program is in the container: in /dev, because
// that leaves no trace in the writable layer, unless /dev is the user's.
func (b *builder) initTarget() string {
	if slices.ContainsFunc(b.cfg.Mounts, func(m state.Mount) bool { return m.Target == "/dev" }) {
		return "/sbin/docker-init"
	}
	return "/dev/init"
}
