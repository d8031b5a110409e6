package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// ErrOutside: an archive names a file that is not below where it is unpacked.
var ErrOutside = errors.New("it is outside of the destination")

// Owner is a user and a group, as the calling process knows them.
type Owner struct{ UID, GID int }

// UnpackOptions say how an archive is unpacked.
type UnpackOptions struct {
	// Owner is whom all that is made belongs to; nil leaves it to the archive.
	Owner *Owner
	// Overwrite lets directories take the place of other files and the other way
	// round. Podman: cp --overwrite.
	Overwrite bool
	// Untrusted leaves out what could harm the machine that files of a container
	// are copied to: devices, capabilities and set-user-id bits.
	Untrusted bool
	// NoDevices leaves out devices only.
	NoDevices bool
	// Root gives the root itself what the archive says of it; else that is only
	// done below a base.
	Root bool
	// KeepTop leaves the directory that is unpacked into as it is.
	KeepTop bool
	// Whole sets all attributes that the archive has, and takes away what it says was
	// removed while it was made; see Passes.
	Whole bool
	// Global is told the records that are about the archive as a whole; may be nil.
	Global func(records map[string]string) error
	// Admit is asked about each entry before it is made; may be nil.
	Admit func(h *tar.Header) error
	// Warn is told, in one line each, what was left out; may be nil.
	Warn func(string)
}

type unpacker struct {
	root *safepath.Root
	base string
	opt  UnpackOptions
	// dirs are the directories made so far, whose modes and times are set last.
	dirs []madeDir
	// parent is the directory of the last entry, and where its path.
	parent *os.File
	where  string
}

type madeDir struct {
	path string
	id   fileID
	h    *tar.Header
}

// Unpack unpacks the archive r below the path base of root; what it calls "."
// becomes base itself. Links of the root that lead to directories are followed
// within it; entries take the place of links, and of everything else that is no
// directory.
func Unpack(r io.Reader, root *safepath.Root, base string, opt UnpackOptions) error {
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	u := &unpacker{root: root, base: base, opt: opt}
	defer u.leave()
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		if opt.Admit != nil {
			if err := opt.Admit(h); err != nil {
				return fmt.Errorf("cannot unpack %q: %w", h.Name, err)
			}
		}
		if err := u.entry(h, in); err != nil {
			return err
		}
	}
	// Whoever writes the archive is not kept waiting for what follows its end.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	return u.finish()
}

func (u *unpacker) leave() {
	if u.parent != nil {
		u.parent.Close()
		u.parent = nil
	}
}

// locate is the path in the root of what the archive calls name.
func (u *unpacker) locate(name string) (string, error) {
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("invalid archive: cannot unpack %q: %w", name, ErrOutside)
		}
	}
	return path.Join("/", u.base, name), nil
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return u.global(h.PAXRecords)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeDir, tar.TypeLink, tar.TypeSymlink, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
	default:
		u.opt.Warn(fmt.Sprintf("%s is left out: it is of a kind (%q) that is not known", h.Name, h.Typeflag))
		return nil
	}
	target, err := u.locate(h.Name)
	if err != nil {
		return err
	}
	device := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock
	if device && (u.opt.Untrusted || u.opt.NoDevices) {
		u.opt.Warn(fmt.Sprintf("%s is left out: it is a device", h.Name))
		return nil
	}
	if u.opt.Owner != nil {
		h.Uid, h.Gid = u.opt.Owner.UID, u.opt.Owner.GID
	}
	if target == "/" {
		return u.rootDirectory(h)
	}
	dir, name := path.Split(target)
	if err := u.enter(dir); err != nil {
		return err
	}
	top := target == path.Join("/", u.base)
	inPlace, err := u.clear(name, target, h.Typeflag == tar.TypeDir)
	if err == nil {
		err = u.make(name, target, h, content, inPlace, top)
	}
	if err != nil {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return &CreateError{Path: target, Err: err}
	}
	return nil
}

// CreateError says that something of an archive cannot be made.
type CreateError struct {
	Path string // in the root
	Err  error
}

func (e *CreateError) Error() string { return fmt.Sprintf("error creating %q: %v", e.Path, e.Err) }

func (e *CreateError) Unwrap() error { return e.Err }

// enter opens the directory that holds the next entry, and makes what is missing.
func (u *unpacker) enter(dir string) error {
	if u.parent != nil && u.where == dir {
		return nil
	}
	u.leave()
	f, err := u.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, os.ErrNotExist) {
		uid, gid := -1, -1
		if u.opt.Owner != nil {
			uid, gid = u.opt.Owner.UID, u.opt.Owner.GID
		}
		if err = u.root.MkdirAll(dir, 0o755, uid, gid); err == nil {
			f, err = u.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
		}
	}
	if err != nil {
		return err
	}
	u.parent, u.where = f, dir
	return nil
}

// clear makes room for an entry. inPlace says that what is there stays: a
// directory where there is to be one, or a file that something is mounted on.
func (u *unpacker) clear(name, target string, dir bool) (inPlace bool, err error) {
	fd := int(u.parent.Fd())
	var st unix.Stat_t
	err = unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case there && dir:
		return true, nil
	case there && !u.opt.Overwrite:
		return false, fmt.Errorf("a directory is in the way: %w", unix.EEXIST)
	case dir && !u.opt.Overwrite:
		return false, fmt.Errorf("it is no directory, a directory is to take its place: %w", unix.EEXIST)
	case there:
		return false, safepath.RemoveAllAt(u.parent, name)
	}
	err = unix.Unlinkat(fd, name, 0)
	if errors.Is(err, unix.EBUSY) && st.Mode&unix.S_IFMT == unix.S_IFREG && !dir {
		return true, nil
	}
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return false, err
}

func (u *unpacker) make(name, target string, h *tar.Header, content io.Reader, inPlace, top bool) error {
	dir := int(u.parent.Fd())
	switch h.Typeflag {
	case tar.TypeDir:
		if inPlace && top && u.opt.KeepTop {
			return nil
		}
		return u.directory(name, target, h, inPlace)
	case tar.TypeLink:
		return u.hardLink(name, h)
	case tar.TypeSymlink:
		if err := unix.Symlinkat(h.Linkname, dir, name); err != nil {
			return err
		}
		if err := owned(unix.Fchownat(dir, name, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
			return err
		}
		return unix.UtimesNanoAt(dir, name, times(h), unix.AT_SYMLINK_NOFOLLOW)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return u.node(name, h)
	}
	return u.file(name, h, content, inPlace)
}

// rootDirectory is what the archive says of the root.
func (u *unpacker) rootDirectory(h *tar.Header) error {
	if !u.opt.Root || h.Typeflag != tar.TypeDir {
		return nil
	}
	f, err := u.root.Open("/", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	return u.dress(int(f.Fd()), "/", h)
}

func (u *unpacker) directory(name, target string, h *tar.Header, there bool) error {
	parent := int(u.parent.Fd())
	if !there {
		if err := unix.Mkdirat(parent, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return u.dress(fd, target, h)
}

// dress gives a directory owner, attributes and mode; finish does the rest.
func (u *unpacker) dress(fd int, target string, h *tar.Header) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := owned(unix.Fchown(fd, h.Uid, h.Gid)); err != nil {
		return err
	}
	u.attributes(fd, h)
	if err := unix.Fchmod(fd, u.mode(h)|0o700); err != nil {
		return err
	}
	u.dirs = append(u.dirs, madeDir{target, fileID{uint64(st.Dev), st.Ino}, h})
	return nil
}

// mode is the mode that an entry gets. Directories keep the set-group-id bit:
// it gives nobody rights.
func (u *unpacker) mode(h *tar.Header) uint32 {
	mode := uint32(h.Mode) & 0o7777
	if u.opt.Untrusted && h.Typeflag != tar.TypeDir {
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	return mode
}

// hardLink makes another name for a file that the archive holds, too.
func (u *unpacker) hardLink(name string, h *tar.Header) error {
	target, err := u.locate(h.Linkname)
	if err != nil {
		return err
	}
	dir, first := path.Split(target)
	from, err := u.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer from.Close()
	return unix.Linkat(int(from.Fd()), first, int(u.parent.Fd()), name, 0)
}

// node makes what no descriptor can be had of without effects.
func (u *unpacker) node(name string, h *tar.Header) error {
	dir := int(u.parent.Fd())
	kind := map[byte]uint32{tar.TypeFifo: unix.S_IFIFO, tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK}[h.Typeflag]
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	err := unix.Mknodat(dir, name, kind|0o600, int(dev))
	if errors.Is(err, unix.EPERM) && kind != unix.S_IFIFO {
		u.opt.Warn(fmt.Sprintf("%s is left out: devices cannot be made here", h.Name))
		return nil
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != kind {
		return errors.New("it changes while it is made")
	}
	if err := owned(unix.Fchownat(fd, "", h.Uid, h.Gid, unix.AT_EMPTY_PATH)); err != nil {
		return err
	}
	if err := unix.Chmod(procFD(fd), u.mode(h)); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, procFD(fd), times(h), 0)
}

func (u *unpacker) file(name string, h *tar.Header, content io.Reader, inPlace bool) error {
	dir := int(u.parent.Fd())
	if inPlace {
		return u.overwrite(dir, name, content)
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := fill(f, content, holes(h)); err != nil {
		return err
	}
	if err := owned(unix.Fchown(fd, h.Uid, h.Gid)); err != nil {
		return err
	}
	u.attributes(fd, h)
	if err := unix.Fchmod(fd, u.mode(h)); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, procFD(fd), times(h), 0); err != nil {
		return err
	}
	return f.Close()
}

// overwrite replaces the content of a file that cannot be replaced itself.
func (u *unpacker) overwrite(dir int, name string, content io.Reader) error {
	p, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(p)
	var st unix.Stat_t
	if err := unix.Fstat(p, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it changes while it is replaced")
	}
	fd, err := unix.Open(procFD(p), unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := fill(f, content, false); err != nil {
		return err
	}
	return f.Close()
}

func holes(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != ""
}

// fill writes the content of a file; with sparse what is all zeros becomes holes.
func fill(f *os.File, content io.Reader, sparse bool) error {
	if !sparse {
		_, err := io.Copy(f, struct{ io.Reader }{content})
		return err
	}
	buf, empty := make([]byte, 64<<10), make([]byte, 64<<10)
	size := int64(0)
	for {
		n, err := io.ReadFull(content, buf)
		if n > 0 && string(buf[:n]) != string(empty[:n]) {
			if _, err := f.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return f.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

// attributes sets the extended attributes, where the file system has them.
func (u *unpacker) attributes(fd int, h *tar.Header) {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrPrefix)
		if !ok || !carried(name, u.opt.Whole) || u.opt.Untrusted && !strings.HasPrefix(name, "user.") {
			continue
		}
		if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			u.opt.Warn(fmt.Sprintf("%s lacks the attribute %s: %v", h.Name, name, err))
		}
	}
}

// finish gives the directories what writing into them changes: the last first,
// since it may be in one of the others.
func (u *unpacker) finish() error {
	done := make(map[string]bool, len(u.dirs)) // the last entry of a name counts
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if done[u.dirs[i].path] {
			continue
		}
		done[u.dirs[i].path] = true
		if err := u.dirs[i].finish(u); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
			return &CreateError{Path: u.dirs[i].path, Err: err}
		}
	}
	return nil
}

func (d madeDir) finish(u *unpacker) error {
	f, err := u.root.Open(d.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if (fileID{uint64(st.Dev), st.Ino}) != d.id {
		return nil // another one took its place
	}
	if mode := u.mode(d.h); mode&0o700 != 0o700 {
		if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, procFD(int(f.Fd())), times(d.h), 0)
}

func times(h *tar.Header) []unix.Timespec {
	at := h.AccessTime
	if at.IsZero() {
		at = h.ModTime
	}
	return []unix.Timespec{unix.NsecToTimespec(at.UnixNano()), unix.NsecToTimespec(h.ModTime.UnixNano())}
}

// owned forgives that an owner cannot be given: by an ordinary user, and to one
// that the user namespace has no number for.
func owned(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
