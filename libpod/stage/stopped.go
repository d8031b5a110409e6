package stage

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/rootfs/premount"
	"skiff/rootfs/safepath"
	"skiff/runtime/spec"
	"skiff/state"
)

// stoppedView is the root file system of a container that does not run, mounted
// in this process's own mount namespace.
type stoppedView struct {
	s    *starter
	made []madePoint
}

// madePoint is a place that was made only to be mounted on. A start would make
// it too, but nothing is left behind by who only looks.
type madePoint struct {
	root *safepath.Root // where it was missing
	path string         // of what was missing, below root
}

// mountRoot mounts the root file system, or shows the one that is mounted on the
// host already: the kernel does not promise what comes of two.
func (v *stoppedView) mountRoot() error {
	shown, target := v.s.engine.Roots.ContainerMount(v.s.cfg.ID), v.s.dirs.Rootfs()
	if !layer.Mounted(shown) {
		return v.s.mountRoot()
	}
	if err := layer.PrivateMountPoint(target); err != nil {
		return err
	}
	if err := unix.Mount(shown, target, "", unix.MS_BIND, ""); err != nil {
		return &os.PathError{Op: "bind", Path: shown, Err: err}
	}
	// As a peer of the host's mount it would show volumes there too.
	if err := unix.Mount("", target, "", unix.MS_PRIVATE, ""); err != nil {
		return &os.PathError{Op: "bind", Path: shown, Err: err}
	}
	root, err := safepath.OpenRoot(target)
	v.s.root = root
	return err
}

// mountAll mounts volumes, host directories and images where a start would.
func (v *stoppedView) mountAll() error {
	in := spec.Inputs{Sources: map[string]string{}}
	if err := v.s.sources(&in); err != nil {
		return err
	}
	mounts := slices.Clone(v.s.cfg.Mounts)
	slices.SortStableFunc(mounts, func(a, b state.Mount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
	for _, m := range mounts {
		source := in.Sources[m.Target]
		if source == "" && m.Type == state.MountBind {
			source = m.Source
		}
		if source == "" { // a tmpfs, which is empty until a start
			continue
		}
		if err := v.mount(m, source); err != nil {
			return fmt.Errorf("cannot mount %q on %q: %w", m.Source, m.Target, err)
		}
	}
	return nil
}

func (v *stoppedView) mount(m state.Mount, source string) error {
	target, err := v.s.root.Resolve(m.Target)
	if err != nil {
		return err
	}
	if err := v.note(target); err != nil {
		return err
	}
	options := []string{"rbind", "rprivate"}
	if m.NonRecursive {
		options[0] = "bind"
	}
	if m.ReadOnly {
		options = append(options, "ro")
	}
	res := premount.Apply(v.s.root, []specs.Mount{{Type: "bind", Source: source, Destination: target, Options: options}}, premount.Options{})
	if len(res.Left) > 0 {
		return errors.New("its place cannot be reached")
	}
	return nil
}

// note remembers which parts of the path are missing.
func (v *stoppedView) note(target string) error {
	var missing string
	for p := target; p != "/"; p = path.Dir(p) {
		_, err := v.s.root.Lstat(p)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		missing = path.Join(path.Base(p), missing)
	}
	if missing == "" {
		return nil
	}
	parent := strings.TrimSuffix(target, "/"+missing)
	if parent == "" {
		parent = "/"
	}
	sub, err := v.s.root.Sub(parent)
	if err != nil {
		return err
	}
	v.made = append(v.made, madePoint{sub, missing})
	return nil
}

// readOnly makes the root file system itself, without what is mounted in it,
// read-only or writable again.
func (v *stoppedView) readOnly(set bool) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if !set {
		attr = unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	}
	root, err := v.s.root.Open("/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer root.Close()
	return unix.MountSetattr(int(root.Fd()), "", unix.AT_EMPTY_PATH, &attr)
}

// close unmounts everything and removes the mount points that were made and
// that nothing was put into.
func (v *stoppedView) close() error {
	if v.s.cfg.ReadOnly {
		v.readOnly(false)
	}
	var err error
	if uerr := unix.Unmount(v.s.dirs.Rootfs(), unix.MNT_DETACH); uerr != nil {
		err = &os.PathError{Op: "unmount", Path: v.s.dirs.Rootfs(), Err: uerr}
	}
	for _, m := range slices.Backward(v.made) {
		m.remove()
		m.root.Close()
	}
	v.s.root.Close()
	return err
}

func (m madePoint) remove() {
	for p := m.path; p != "."; p = path.Dir(p) {
		dir, err := m.root.Open("/"+path.Dir(p), unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return
		}
		err = unix.Unlinkat(int(dir.Fd()), path.Base(p), unix.AT_REMOVEDIR)
		if errors.Is(err, unix.ENOTDIR) && p == m.path {
			err = unlinkEmpty(dir, path.Base(p))
		}
		dir.Close()
		if err != nil {
			return
		}
	}
}

// unlinkEmpty removes the file that a file was mounted on.
func unlinkEmpty(dir *os.File, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && (st.Size != 0 || st.Mode&unix.S_IFMT != unix.S_IFREG) {
		err = unix.ENOTEMPTY
	}
	if err != nil {
		return err
	}
	return unix.Unlinkat(int(dir.Fd()), name, 0)
}
