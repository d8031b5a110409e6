package layer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Kinds of Change.
const (
	Changed = "C"
	Added   = "A"
	Deleted = "D"
)

// Change is a path, absolute in the root file system, at which two of them differ.
type Change struct{ Kind, Path string }

// Comparison is two root file systems, each as the directories of its layers,
// lowest first.
type Comparison struct {
	Old, New []string
	// MountPoints are absolute paths that are made only to be mounted on: where one
	// of them is new and holds nothing else, it is no change.
	MountPoints []string
}

// maxDepth bounds how deep directories may be nested.
const maxDepth = 1000

// Changes lists how New differs from Old, sorted by path, without the link Mtab that a start
// makes. Whatever New's own
// layers hold counts as changed, directories excepted: overlay copies them
// whenever something below them changes. A directory is changed also where an
// entry of it was added or deleted. Docker: diff.
//
// No link in a layer is followed, so that hostile ones lead nowhere.
func (c Comparison) Changes() ([]Change, error) {
	w := &comparer{points: map[string]bool{}}
	for _, p := range c.MountPoints {
		for p = path.Clean("/" + p); p != "/"; p = path.Dir(p) {
			w.points[p] = true
		}
	}
	olds, err := openStack(c.Old)
	if err != nil {
		return nil, err
	}
	defer olds.close()
	news, err := openStack(c.New)
	if err != nil {
		return nil, err
	}
	defer news.close()
	if _, err := w.compare("/", olds, news, 0); err != nil {
		return nil, fmt.Errorf("cannot compare files: %w", err)
	}
	sort.Slice(w.out, func(i, j int) bool { return w.out[i].Path < w.out[j].Path })
	return w.out, nil
}

// stack is one directory of a root file system as its layers have it, the top
// one first.
type stack []*os.File

func openStack(layers []string) (stack, error) {
	var s stack
	for _, dir := range slices.Backward(layers) {
		f, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			s.close()
			return nil, err
		}
		s = append(s, f)
	}
	return s, nil
}

func (s stack) close() {
	for _, f := range s {
		f.Close()
	}
}

// same says that both are made of the same directories.
func (s stack) same(o stack) bool {
	return slices.EqualFunc(s, o, func(a, b *os.File) bool {
		x, errx := a.Stat()
		y, erry := b.Stat()
		return errx == nil && erry == nil && os.SameFile(x, y)
	})
}

// node is an entry as the layers together show it.
type node struct {
	st  unix.Stat_t
	dir stack // if it is a directory
}

func (n *node) isDir() bool { return n.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// lookup finds an entry; nil where there is none. Its directories are the
// caller's to close.
func (s stack) lookup(name string) (*node, error) {
	var n *node
	for _, layer := range s {
		var st unix.Stat_t
		err := unix.Fstatat(int(layer.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return n, err
		}
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if n != nil && !isDir || whiteout(&st) {
			break
		}
		if n == nil {
			n = &node{st: st}
			if !isDir {
				break
			}
		}
		fd, err := unix.Openat(int(layer.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return n, &os.PathError{Op: "open", Path: path.Join(layer.Name(), name), Err: err}
		}
		n.dir = append(n.dir, os.NewFile(uintptr(fd), path.Join(layer.Name(), name)))
		if opaque(fd) {
			break
		}
	}
	return n, nil
}

// whiteout says that the entry hides what lower layers have. Kernel:
// Documentation/filesystems/overlayfs.rst.
func whiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func opaque(fd int) bool {
	var buf [4]byte
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		if n, err := unix.Fgetxattr(fd, name, buf[:]); err == nil && n > 0 && buf[0] == 'y' {
			return true
		}
	}
	return false
}

// names are the entries that any of the layers has, whiteouts too.
func (s stack) names(into map[string]bool) error {
	for _, layer := range s {
		list, err := layer.Readdirnames(-1)
		if err != nil {
			return err
		}
		if _, err := layer.Seek(0, 0); err != nil {
			return err
		}
		for _, n := range list {
			into[n] = true
		}
	}
	return nil
}

type comparer struct {
	points map[string]bool // mount points and what is above them
	out    []Change
}

// compare compares two directories of the same path. entries says that one was
// added or deleted.
func (w *comparer) compare(at string, olds, news stack, depth int) (entries bool, err error) {
	if depth > maxDepth {
		return false, fmt.Errorf("%s: directories are nested more than %d deep", at, maxDepth)
	}
	if olds.same(news) {
		return false, nil
	}
	names := map[string]bool{}
	if err := errors.Join(news.names(names), olds.names(names)); err != nil {
		return false, err
	}
	for name := range names {
		ours, err := w.entry(at, name, olds, news, depth)
		if err != nil {
			return false, err
		}
		entries = entries || ours
	}
	return entries, nil
}

func (w *comparer) entry(at, name string, olds, news stack, depth int) (entries bool, err error) {
	before, err := olds.lookup(name)
	if before != nil {
		defer before.dir.close()
	}
	if err != nil {
		return false, err
	}
	after, err := news.lookup(name)
	if after != nil {
		defer after.dir.close()
	}
	if err != nil {
		return false, err
	}
	p := path.Join(at, name)
	switch {
	case before == nil && after == nil:
		return false, nil
	case after == nil:
		w.add(Deleted, p)
		return true, nil
	case before == nil && p == Mtab && ownMtab(news):
		return false, nil
	case before == nil:
		return w.added(p, after, depth)
	case !before.isDir() || !after.isDir():
		if sameFile(before, after) {
			return false, nil
		}
		w.add(Changed, p)
		if after.isDir() {
			_, err = w.compare(p, nil, after.dir, depth+1)
		}
		return false, err
	}
	below, err := w.compare(p, before.dir, after.dir, depth+1)
	if err != nil {
		return false, err
	}
	if below || w.changed(p, &before.st, &after.st) {
		w.add(Changed, p)
	}
	return false, nil
}

func (w *comparer) add(kind, p string) { w.out = append(w.out, Change{kind, p}) }

// added lists a new entry and all that is in it; nothing where it is there only
// for mounts.
func (w *comparer) added(p string, n *node, depth int) (bool, error) {
	from := len(w.out)
	if n.isDir() {
		if _, err := w.compare(p, nil, n.dir, depth+1); err != nil {
			return false, err
		}
	}
	if w.points[p] && len(w.out) == from && (n.isDir() || n.st.Mode&unix.S_IFMT == unix.S_IFREG && n.st.Size == 0) {
		return false, nil
	}
	w.add(Added, p)
	return true, nil
}

// changed compares directories. The time of one that mount points were made in
// says nothing.
func (w *comparer) changed(p string, a, b *unix.Stat_t) bool {
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
		return true
	}
	if a.Mtim == b.Mtim {
		return false
	}
	for point := range w.points {
		if strings.HasPrefix(point, p+"/") && path.Dir(point) == p {
			return false
		}
	}
	return true
}

// sameFile says that nothing but the layer may differ. A file in a layer of its
// own was written.
func sameFile(a, b *node) bool { return a.st.Dev == b.st.Dev && a.st.Ino == b.st.Ino }
