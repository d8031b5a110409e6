// Package premount puts a container's file systems in place ahead of the OCI
// runtime, with the kernel's new mount calls and a tenth of the system calls
// that libcontainer needs for the same.
//
// It is a shortcut and never a decision: what it cannot do exactly as the
// runtime would, for whatever reason, it leaves to the runtime, which then also
// words the errors.
//
// Not here: which mounts there are (runtime/spec), the root file system itself
// (rootfs/layer), and what belongs to a namespace that only the runtime makes.
package premount

import (
	"errors"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// Hierarchy is the container's cgroup in one hierarchy of cgroup v1.
type Hierarchy struct {
	// Name is the last part of where the hierarchy is mounted, such as "pids" or
	// "cpu,cpuacct".
	Name string
	// Dir is the cgroup's directory, which exists.
	Dir string
}

// Options are what mounts need beside their description.
type Options struct {
	// NetNS is the path of the container's network namespace, for its sysfs;
	// empty means the caller's own.
	NetNS string
	// Cgroups gives what a mount of type "cgroup" shows; without any it is left.
	// It is called once at most, after all other mounts are made.
	Cgroups func() []Hierarchy
	// ReadOnlyCgroups makes what lists the hierarchies of "cgroup" read-only too.
	ReadOnlyCgroups bool
	// Devices asks for the standard device nodes in /dev.
	Devices bool
}

// Result is what was not done.
type Result struct {
	// Left are the mounts that the runtime has to make, in their order.
	Left []specs.Mount
	// Devices says that the standard device nodes were made.
	Devices bool
}

// applier is one use of the package.
type applier struct {
	root *safepath.Root
	o    Options
	res  Result
	// below are the places of mounts that were left: what comes below them has to
	// wait for them.
	below []string
}

// Apply mounts what it can of mounts in the root, in the order of mounts.
//
// Preconditions:
//   - the caller is in a mount namespace of its own, and root's mount is private
//   - nothing of the container runs yet
func Apply(root *safepath.Root, mounts []specs.Mount, o Options) Result {
	a := &applier{root: root, o: o}
	last := -1
	for i, m := range mounts {
		place := path.Clean("/" + m.Destination)
		if m.Type == "cgroup" && last < 0 && !a.covered(place) && o.Cgroups != nil {
			last = i
			a.below = append(a.below, place)
			continue
		}
		// Without a.o.Cgroups a cgroup mount is of the kind that shows a namespace.
		if namespaced(m.Type) || m.Type == "cgroup" || a.covered(place) {
			a.leave(m, place)
			continue
		}
		if a.mount(m, place) != nil {
			// Where this one leads is not known (through links of the image's, perhaps),
			// so later ones may depend on it.
			a.res.Left = append(a.res.Left, mounts[i:]...)
			break
		}
	}
	if last >= 0 && a.mount(mounts[last], path.Clean("/"+mounts[last].Destination)) != nil {
		a.res.Left = append([]specs.Mount{mounts[last]}, a.res.Left...)
	}
	return a.res
}

// namespaced says that a file system shows a namespace which does not exist
// before the container's first process.
func namespaced(kind string) bool { return kind == "proc" || kind == "mqueue" }

func (a *applier) leave(m specs.Mount, place string) {
	a.res.Left = append(a.res.Left, m)
	a.below = append(a.below, place)
}

// covered says whether place is where a mount was left, or below that.
func (a *applier) covered(place string) bool {
	for _, b := range a.below {
		if place == b || strings.HasPrefix(place, b+"/") {
			return true
		}
	}
	return false
}

// mount makes one mount; on error there is nothing of it but perhaps the
// directory or file that it was to cover.
func (a *applier) mount(m specs.Mount, place string) error {
	opt, err := parse(m)
	if err != nil {
		return err
	}
	switch m.Type {
	case "bind":
		return a.bind(m.Source, opt, place)
	case "cgroup":
		return a.cgroups(opt, place)
	case "tmpfs", "devpts", "sysfs":
		return a.fileSystem(m, opt, place)
	}
	return unix.EOPNOTSUPP
}

// bind shows a file or directory of the host's.
func (a *applier) bind(source string, opt options, place string) error {
	tree, err := openTree(source, opt)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	target, _, err := a.root.Mountpoint(place, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer target.Close()
	return attach(tree, target)
}

// fileSystem mounts a new file system. A tmpfs has the mode of the directory
// that it covers, unless its options say otherwise.
func (a *applier) fileSystem(m specs.Mount, opt options, place string) error {
	target, made, err := a.root.Mountpoint(place, true)
	if err != nil {
		return err
	}
	defer target.Close()
	if m.Type == "tmpfs" && !made {
		mode, err := modeOption(target)
		if err != nil {
			return err
		}
		opt.data = append([]string{mode}, opt.data...)
	}
	fs, err := a.newMount(m, opt)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if place == "/dev" && a.o.Devices {
		err := makeNodes(fs)
		if err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
		a.res.Devices = err == nil // in a user namespace nobody may make any
	}
	if err := attach(fs, target); err != nil {
		a.res.Devices = false
		return err
	}
	return nil
}

func (a *applier) newMount(m specs.Mount, opt options) (int, error) {
	if m.Type == "sysfs" && a.o.NetNS != "" {
		return mountInNetwork(a.o.NetNS, m.Type, m.Source, opt)
	}
	return newMount(m.Type, m.Source, opt)
}

// attach puts a detached mount in its place. There it is reached by nobody who
// does not see the caller's mounts.
func attach(mount int, target *os.File) error {
	return unix.MoveMount(mount, "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}
