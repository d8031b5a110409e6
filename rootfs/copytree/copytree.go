// Package copytree copies directories of hostile images with everything that
// belongs to files: owners, modes, times, attributes, links, holes.
//
// Not here: finding the directory within a root file system (rootfs/safepath).
package copytree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// MaxDepth bounds the open directories: an image's tree can be deeper than a
// process has descriptors.
const MaxDepth = 400

type fileID struct{ dev, ino uint64 }

// Options say what is not copied as it is.
type Options struct {
	// Owner gives the owner of a copy, nil for the same.
	Owner func(uid, gid uint32) (uint32, uint32)
	// Layer keeps the marks of overlay, for a layer that is to be mounted itself.
	Layer bool
	// CapabilityRoot is the user in whose namespace file capabilities are to count,
	// where Owner is set. capabilities(7), namespaced file capabilities.
	CapabilityRoot uint32
	// Link makes hard links to files instead of copies, where that is possible:
	// they are the same files then, which Owner and Latest leave as they are.
	Link bool
	// Latest is the time that no copy is younger than, nil for no bound. Files that
	// are younger are not linked.
	Latest *time.Time
	// Replace takes away what is in the way of a copy. Directories that are there
	// already keep what else is in them.
	Replace bool
	// KeepTop leaves the metadata of the directory to as it is.
	KeepTop bool
}

// Copy copies what is in the directory from into to, then its metadata.
func Copy(from, to *os.File, o Options) error {
	c := copier{Options: o, top: int(to.Fd()), links: map[fileID]string{}}
	return c.directory(from, to, "")
}

// Metadata gives the open file to the owner, attributes, mode and times of from.
func Metadata(from, to int, st *unix.Stat_t) error {
	var c copier
	return c.metadata(from, to, st)
}

// copier copies one tree of a hostile image: it follows no links, and opens
// nothing but directories and regular files.
type copier struct {
	Options
	top   int // the tree that is being made
	links map[fileID]string
	depth int
	// stack and whole are Stack's.
	stack, whole bool
}

// directory copies the entries of from into to, then its metadata. rel is the
// path of to below the top.
func (c *copier) directory(from, to *os.File, rel string) error {
	if c.depth++; c.depth > MaxDepth {
		return fmt.Errorf("directories are nested more than %d deep", MaxDepth)
	}
	defer func() { c.depth-- }()
	for {
		names, err := from.Readdirnames(256)
		for _, name := range names {
			if err := c.entry(from, to, name, path.Join(rel, name)); err != nil {
				return named(err, path.Join(rel, name))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if c.KeepTop && rel == "" {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	return c.metadata(int(from.Fd()), int(to.Fd()), &st)
}

// named tells once where a failure happened.
func named(err error, rel string) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return err
	}
	return &os.PathError{Op: "copy", Path: rel, Err: err}
}

func (c *copier) entry(from, to *os.File, name, rel string) error {
	src, dst := int(from.Fd()), int(to.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	hides := false
	if c.stack {
		var skip bool
		var err error
		if hides, skip, err = c.uncover(from, to, name, &st); err != nil || skip {
			return err
		}
	}
	if c.Replace {
		if err := makeRoom(to, name, kind); err != nil {
			return err
		}
	}
	if kind != unix.S_IFDIR && c.Link && !c.younger(&st) && unix.Linkat(src, name, dst, name, 0) == nil {
		return nil
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		id := fileID{uint64(st.Dev), st.Ino}
		if first, ok := c.links[id]; ok {
			if unix.Linkat(c.top, first, dst, name, 0) == nil {
				return nil
			} // too many links, or too long a path: a copy of its own
		} else {
			c.links[id] = rel
		}
	}
	switch kind {
	case unix.S_IFDIR:
		err := c.subdirectory(src, dst, name, rel)
		if err == nil && hides {
			err = markOpaque(dst, name)
		}
		return err
	case unix.S_IFREG:
		return c.file(src, dst, name)
	case unix.S_IFLNK:
		return c.link(src, dst, name, &st)
	}
	err := unix.Mknodat(dst, name, st.Mode&(unix.S_IFMT|0o7777), int(st.Rdev))
	if errors.Is(err, unix.EPERM) && (kind == unix.S_IFCHR || kind == unix.S_IFBLK) {
		return nil // no devices in a user namespace
	}
	if err != nil {
		return err
	}
	return c.nodeMetadata(dst, name, &st)
}

// makeRoom removes what is called name in to, unless it is a directory and kind is
// one as well.
func makeRoom(to *os.File, name string, kind uint32) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(to.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	case kind == unix.S_IFDIR && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil
	}
	return safepath.RemoveAllAt(to, name)
}

func (c *copier) subdirectory(src, dst int, name, rel string) error {
	from, err := openAt(src, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := unix.Mkdirat(dst, name, 0o700); err != nil && !(c.Replace && errors.Is(err, unix.EEXIST)) {
		return err
	}
	to, err := openAt(dst, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer to.Close()
	return c.directory(from, to, rel)
}

func openAt(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (c *copier) file(src, dst int, name string) error {
	// Nonblocking, in case that it is no regular file any more.
	from, err := openAt(src, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer from.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it changes while it is copied")
	}
	to, err := openAt(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	err = Content(from, to, st.Size)
	if err == nil {
		err = c.metadata(int(from.Fd()), int(to.Fd()), &st)
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	return err
}

// Content copies what is written of the file, size bytes of it, and leaves holes
// holes: an image of a few bytes can hold a file of a terabyte. File systems that
// can share the blocks do so.
func Content(from, to *os.File, size int64) error {
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			break
		}
		end := size
		if err == nil {
			if end, err = unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE); err != nil {
				return err
			}
		} else {
			data = at // a file system that does not know about holes
		}
		if _, err := from.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := to.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, end-data); err != nil {
			return err
		}
		at = end
	}
	return to.Truncate(size)
}

func (c *copier) link(src, dst int, name string, st *unix.Stat_t) error {
	var buf [4096]byte
	n, err := unix.Readlinkat(src, name, buf[:])
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), dst, name); err != nil {
		return err
	}
	return c.nodeMetadata(dst, name, st)
}

// nodeMetadata sets owner, mode and times of what is not opened.
func (c *copier) nodeMetadata(dst int, name string, st *unix.Stat_t) error {
	uid, gid := c.owner(st)
	err := unix.Fchownat(dst, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK { // nobody else reaches dst yet
		if err := unix.Fchmodat(dst, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(dst, name, []unix.Timespec{st.Atim, c.mtime(st)}, unix.AT_SYMLINK_NOFOLLOW)
}

// mtime is a copy's time of modification.
func (c *copier) mtime(st *unix.Stat_t) unix.Timespec {
	if c.younger(st) {
		return unix.NsecToTimespec(c.Latest.UnixNano())
	}
	return st.Mtim
}

func (c *copier) younger(st *unix.Stat_t) bool {
	return c.Latest != nil && time.Unix(st.Mtim.Unix()).After(*c.Latest)
}

// metadata gives to the owner, the attributes, the mode and the times of
// from, in this order: each of the first two takes some of the later away.
func (c *copier) metadata(from, to int, st *unix.Stat_t) error {
	// EINVAL: an owner that this user namespace has no number for.
	uid, gid := c.owner(st)
	if err := unix.Fchown(to, uid, gid); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := c.attributes(from, to); err != nil {
		return err
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	times := []unix.Timeval{unix.NsecToTimeval(unix.TimespecToNsec(st.Atim)), unix.NsecToTimeval(unix.TimespecToNsec(c.mtime(st)))}
	return unix.Futimes(to, times)
}

func (c *copier) attributes(from, to int) error {
	return eachAttribute(from, c.Layer, func(name string, value []byte) error {
		return setAttribute(to, name, c.convert(name, value))
	})
}

// Attributes copies the extended attributes that belong to a file.
func Attributes(from, to int) error {
	var c copier
	return c.attributes(from, to)
}

// EachAttribute shows the extended attributes that Attributes copies, by name.
func EachAttribute(fd int, show func(name string, value []byte) error) error {
	return eachAttribute(fd, false, show)
}

func setAttribute(to int, name string, value []byte) error {
	err := unix.Fsetxattr(to, name, value, 0)
	if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("attribute %s: %w", name, err)
	}
	return nil
}

// eachAttribute shows the attributes that belong to the file; the marks of
// overlay do so only in a layer.
func eachAttribute(from int, layer bool, show func(name string, value []byte) error) error {
	names, err := attributeNames(from)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		// The label is the mount's business, the others are marks of overlay.
		mark := strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
		if name == "security.selinux" || mark && !layer {
			continue
		}
		size, err := unix.Fgetxattr(from, name, nil)
		if err != nil {
			continue // gone, or not for us to see
		}
		value := make([]byte, size)
		if size, err = unix.Fgetxattr(from, name, value); err != nil {
			continue
		}
		if err := show(name, value[:size]); err != nil {
			return err
		}
	}
	return nil
}

func attributeNames(fd int) ([]string, error) {
	size, err := unix.Flistxattr(fd, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	if size, err = unix.Flistxattr(fd, buf); err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(buf[:size]), func(r rune) bool { return r == 0 }), nil
}
