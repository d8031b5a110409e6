package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
)

// stub is a place to mount on that a step's files do not have.
type stub struct {
	path string
	dir  bool
	// free is for a tmpfs, which takes over the mode of what it covers.
	free bool
}

// coverStubs mounts the root file system of a build's step in the place of the view
// of its layers, and makes the places of mounts that it lacks in a layer of
// their own below the writable one. What the program changes is then all that is
// in that: not even the times of a directory that got a place are other than they
// were, and there is nothing to be removed at the end, whatever that is.
func (s *starter) coverStubs(sp *specs.Spec) error {
	b := s.cfg.Extra().Build
	if b == nil {
		return nil
	}
	o := layer.Overlay{
		Lower: b.Lower, Upper: b.Upper, Work: b.Work,
		Target: s.rootfs(), UserNS: s.facts.UserNS, Volatile: s.cfg.AutoRemove,
	}
	stubs, err := s.placeless(sp.Mounts)
	if err != nil {
		return err
	}
	if len(stubs) > 0 {
		dir := filepath.Join(s.dirs.Data, "stubs")
		if err := s.makeStubs(dir, stubs); err != nil {
			return fmt.Errorf("cannot make the places of mounts: %w", err)
		}
		o.Lower = append(o.Lower[:len(o.Lower):len(o.Lower)], dir)
	}
	s.root.Close()
	// A process that is being started may have the view open still.
	if err := unix.Unmount(s.rootfs(), unix.MNT_DETACH); err != nil {
		return &os.PathError{Op: "unmount", Path: s.rootfs(), Err: err}
	}
	if err := o.Mount(); err != nil {
		return err
	}
	s.root, err = safepath.OpenRoot(s.rootfs())
	return err
}

// stepView shows the layers of a build's step until its mounts are known. The
// writable layer is among them only if there is something in it.
func (s *starter) stepView(target string) layer.Overlay {
	b := s.cfg.Extra().Build
	o := layer.Overlay{Lower: b.Lower, Target: target, UserNS: s.facts.UserNS}
	if names, err := os.ReadDir(b.Upper); err == nil && len(names) > 0 {
		o.Lower = append(o.Lower[:len(o.Lower):len(o.Lower)], b.Upper)
	}
	return o
}

// placeless are the places of mounts that are not there. Those within what another
// mount shows are not the root file system's.
func (s *starter) placeless(mounts []specs.Mount) (out []stub, err error) {
	var above []string
	for _, m := range mounts {
		place, err := s.root.Resolve(m.Destination)
		if err != nil {
			return nil, fmt.Errorf("cannot mount on %q: %w", m.Destination, err)
		}
		if within(place, above) {
			continue
		}
		above = append(above, place)
		_, err = s.root.Lstat(place)
		if err == nil {
			continue
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("cannot mount on %q: %w", m.Destination, err)
		}
		st := stub{path: place, dir: true, free: m.Type == "tmpfs"}
		if isBind(m) {
			source, err := os.Stat(m.Source)
			if err != nil {
				return nil, fmt.Errorf("cannot mount on %q: %w", m.Destination, err)
			}
			st.dir = source.IsDir()
		}
		out = append(out, st)
	}
	return out, nil
}

// isBind knows also those of vendors' devices, of which the options alone say it.
func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

func within(place string, dirs []string) bool {
	for _, dir := range dirs {
		if place == dir || dir == "/" || strings.HasPrefix(place, dir+"/") {
			return true
		}
	}
	return false
}

// makeStubs makes a layer of the places. Directories on the way that the root file
// system has look in it as they do there, for overlay shows those of the upper
// layer.
func (s *starter) makeStubs(dir string, stubs []stub) error {
	w := &stubWriter{root: s.root, dir: dir, like: map[string]fs.FileInfo{}}
	if err := w.mkdir("/"); err != nil {
		return err
	}
	for _, st := range stubs {
		if err := w.mkdirAll(path.Dir(st.path)); err != nil {
			return err
		}
		target := filepath.Join(dir, st.path)
		if !st.dir {
			f, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			f.Close()
			continue
		}
		if err := w.mkdirAll(st.path); err != nil {
			return err
		}
		if st.free {
			if err := unix.Chmod(target, 0o1777); err != nil {
				return err
			}
		}
	}
	return w.setTimes()
}

// stubWriter makes a layer below dir, which is its own: nobody else writes there.
type stubWriter struct {
	root *safepath.Root
	dir  string
	// like are the directories that were copied, by path.
	like map[string]fs.FileInfo
}

func (w *stubWriter) mkdirAll(place string) error {
	if place == "/" {
		return nil
	}
	if err := w.mkdirAll(path.Dir(place)); err != nil {
		return err
	}
	return w.mkdir(place)
}

// mkdir makes one directory, as that of the root file system if that has it.
func (w *stubWriter) mkdir(place string) error {
	target := filepath.Join(w.dir, place)
	err := os.Mkdir(target, 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	have, err := w.root.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer have.Close()
	st, err := have.Stat()
	if err != nil {
		return err
	}
	var sys unix.Stat_t
	if err := unix.Fstat(int(have.Fd()), &sys); err != nil {
		return err
	}
	if err := unix.Lchown(target, int(sys.Uid), int(sys.Gid)); err != nil {
		return &os.PathError{Op: "chown", Path: target, Err: err}
	}
	if err := unix.Chmod(target, sys.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: target, Err: err}
	}
	w.like[place] = st
	return copyXattrs(have, target)
}

// setTimes gives the directories the times of those that they stand for, when
// nothing is made in them any more.
func (w *stubWriter) setTimes() error {
	for place, st := range w.like {
		if err := os.Chtimes(filepath.Join(w.dir, place), time.Time{}, st.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

// maxXattrs bounds the names of a file's extended attributes, and each value
// (xattr(7)).
const maxXattrs = 64 << 10

// copyXattrs gives a directory the extended attributes of another, as far as this
// process may: those that the kernel keeps for itself it sets anew.
func copyXattrs(from *os.File, to string) error {
	names := make([]byte, maxXattrs)
	n, err := unix.Flistxattr(int(from.Fd()), names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "listxattr", Path: from.Name(), Err: err}
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, maxXattrs)
		size, err := unix.Fgetxattr(int(from.Fd()), name, value)
		if err == nil {
			err = unix.Lsetxattr(to, name, value[:size], 0)
		}
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return &os.PathError{Op: "setxattr", Path: to, Err: err}
		}
	}
	return nil
}
