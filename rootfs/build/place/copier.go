package place

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/source"
	"skiff/rootfs/copytree"
)

// copier copies one entry of a tree. The directories on the way down are open:
// what it makes is made in them, and no link is followed.
type copier struct {
	*placer
	tree *source.Tree
	// dirs are the directories that are being filled, the first one being where the
	// entry goes.
	dirs []level
	// links are the files with several names that were copied, by what they were.
	links map[fileID]linked
}

type fileID struct{ dev, ino uint64 }

// linked is a copy's first name: a path in the root.
type linked struct{ path string }

type level struct {
	dir  *os.File
	path string // in the root
	// fresh says that the directory was made for this copy.
	fresh bool
}

// copyTree copies an entry to the path dst, which Resolve gave.
func (p *placer) copyTree(t *source.Tree, e source.Entry, dst string) error {
	c := &copier{placer: p, tree: t, links: map[fileID]linked{}}
	defer c.close()
	up := dst
	if !e.Dir {
		up = path.Dir(dst)
	}
	dir, err := p.root.Open(up, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	c.dirs = []level{{dir: dir, path: up}}
	return t.Walk(e, source.Visitor{
		Visit: func(f *source.File) error {
			if err := p.ctx.Err(); err != nil {
				return err
			}
			switch {
			case f.Dir() != nil && f.Rel == "":
				return nil
			case f.Dir() != nil:
				return c.enter(f)
			case f.Rel == "":
				return c.file(f, path.Base(dst))
			}
			return c.file(f, path.Base(f.Rel))
		},
		Leave: func(f *source.File) error { return c.leave(f) },
	})
}

func (c *copier) close() {
	for _, l := range c.dirs {
		l.dir.Close()
	}
}

// here is the directory that is being filled.
func (c *copier) here() level { return c.dirs[len(c.dirs)-1] }

// enter makes the copy of a directory, or opens the one that is there.
func (c *copier) enter(f *source.File) error {
	in, name := c.here(), path.Base(f.Rel)
	at := path.Join(in.path, name)
	parent := int(in.dir.Fd())
	err := unix.Mkdirat(parent, name, 0o700)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkdir", Path: at, Err: err}
	}
	fd, oerr := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(oerr, unix.ENOTDIR) || errors.Is(oerr, unix.ELOOP) {
		return fmt.Errorf("cannot copy to non-directory: %s", at)
	}
	if oerr != nil {
		return &os.PathError{Op: "open", Path: at, Err: oerr}
	}
	c.dirs = append(c.dirs, level{os.NewFile(uintptr(fd), at), at, err == nil})
	return nil
}

// leave gives a directory what filling it changes.
func (c *copier) leave(f *source.File) error {
	if f.Rel == "" {
		// Where the entry itself goes keeps its owner and mode.
		return times(int(c.dirs[0].dir.Fd()), ".", &f.Stat)
	}
	l := c.here()
	c.dirs = c.dirs[:len(c.dirs)-1]
	defer l.dir.Close()
	if err := c.dress(int(f.Dir().Fd()), int(l.dir.Fd()), &f.Stat); err != nil {
		return &os.PathError{Op: "copy", Path: l.path, Err: err}
	}
	return times(int(l.dir.Fd()), ".", &f.Stat)
}

// file copies what is no directory to name.
func (c *copier) file(f *source.File, name string) error {
	at := path.Join(c.here().path, name)
	if err := c.clear(name, at); err != nil {
		return err
	}
	err := c.make(f, name, at)
	var where *os.PathError
	if err == nil || errors.As(err, &where) {
		return err
	}
	return &os.PathError{Op: "copy", Path: at, Err: err}
}

// clear removes what a file takes the place of.
func (c *copier) clear(name, at string) error {
	err := unix.Unlinkat(int(c.here().dir.Fd()), name, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("cannot replace to directory %s with file", at)
	}
	return &os.PathError{Op: "remove", Path: at, Err: err}
}

func (c *copier) make(f *source.File, name, at string) error {
	dir := int(c.here().dir.Fd())
	id := fileID{uint64(f.Stat.Dev), f.Stat.Ino}
	if f.Stat.Nlink > 1 {
		if first, ok := c.links[id]; ok && c.link(first, name) == nil {
			return nil
		} // too many links: a copy of its own
		c.links[id] = linked{at}
	}
	switch f.Kind() {
	case unix.S_IFREG:
		return c.regular(f, name)
	case unix.S_IFLNK:
		target, err := f.Readlink()
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(target, dir, name); err != nil {
			return err
		}
		uid, gid := c.ownerOf(&f.Stat)
		if err := c.owned(unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
			return err
		}
		return times(dir, name, &f.Stat)
	}
	return c.node(f, name)
}

// link gives a copy another name. What leads to it was made, or checked, by us,
// and holds no links.
func (c *copier) link(first linked, name string) error {
	from, err := c.root.Open(path.Dir(first.path), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer from.Close()
	return unix.Linkat(int(from.Fd()), path.Base(first.path), int(c.here().dir.Fd()), name, 0)
}

func (c *copier) regular(f *source.File, name string) error {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	dir := int(c.here().dir.Fd())
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_LARGEFILE, 0o600)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), name)
	defer to.Close()
	err = copytree.Content(from, to, f.Stat.Size)
	if errors.Is(err, io.EOF) {
		err = to.Truncate(f.Stat.Size) // it has become shorter: zeros
	}
	if err != nil {
		return err
	}
	if err := c.changed(f, from); err != nil {
		return err
	}
	if err := c.dress(int(from.Fd()), fd, &f.Stat); err != nil {
		return err
	}
	if err := times(dir, name, &f.Stat); err != nil {
		return err
	}
	return to.Close()
}

// changed tells that a file is no longer what its digest was made of, or what
// was copied first.
func (c *copier) changed(f *source.File, from *os.File) error {
	var now unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &now); err != nil {
		return err
	}
	if now.Size == f.Stat.Size && now.Mtim == f.Stat.Mtim && now.Ctim == f.Stat.Ctim && c.tree.Digests.Unchanged(&now) {
		return nil
	}
	if c.req.Changed == nil {
		return &os.PathError{Op: "copy", Path: f.Path, Err: source.ErrChanged}
	}
	c.req.Changed(f.Path)
	return nil
}

// node makes a FIFO or a device.
func (c *copier) node(f *source.File, name string) error {
	dir, kind := int(c.here().dir.Fd()), f.Kind()
	err := unix.Mknodat(dir, name, kind|0o600, int(f.Stat.Rdev))
	if errors.Is(err, unix.EPERM) && kind != unix.S_IFIFO {
		c.req.Warn(fmt.Sprintf("%s is left out: devices cannot be made here", f.Path))
		return nil
	}
	if err != nil {
		return err
	}
	uid, gid := c.ownerOf(&f.Stat)
	if err := c.owned(unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return err
	}
	if err := unix.Fchmodat(dir, name, c.chmod.apply(f.Stat.Mode), 0); err != nil {
		return err
	}
	return times(dir, name, &f.Stat)
}

// ownerOf is whom a copy belongs to.
func (c *copier) ownerOf(st *unix.Stat_t) (uid, gid int) {
	switch {
	case c.owner != nil:
		return c.owner.uid, c.owner.gid
	case c.tree.Owned:
		return int(st.Uid), int(st.Gid)
	}
	return 0, 0
}

// dress gives an open copy the owner, the attributes and the mode, in this order:
// each of the first two takes some of the later away.
func (c *copier) dress(from, to int, st *unix.Stat_t) error {
	uid, gid := c.ownerOf(st)
	if err := c.owned(unix.Fchown(to, uid, gid)); err != nil {
		return err
	}
	if c.tree.Owned { // those of a context are no more the image's than its owners are
		if err := copytree.Attributes(from, to); err != nil {
			return err
		}
	}
	return unix.Fchmod(to, c.chmod.apply(st.Mode))
}

func times(dir int, name string, st *unix.Stat_t) error {
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// owned forgives that this user namespace has no number for an owner, unless the
// instruction names it.
func (p *placer) owned(err error) error {
	switch {
	case !errors.Is(err, unix.EINVAL):
		return err
	case p.owner != nil:
		return fmt.Errorf("cannot give it to %d:%d: the ids of this user namespace do not reach that far", p.owner.uid, p.owner.gid)
	}
	return nil
}
