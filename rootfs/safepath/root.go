// Package safepath opens paths inside a root file system whose content is
// hostile: whatever links it holds, and however it changes meanwhile, nothing
// outside of it is ever reached.
//
// A path is taken as in the container: absolute and relative ones both start at
// the root, ".." of the root is the root, and symbolic links are followed
// within it.
//
// Not here: mounting root file systems (rootfs/layer).
package safepath

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrTooLarge: a file holds more than its reader was ready to take.
var ErrTooLarge = errors.New("file too large")

// Root is an open root file system.
type Root struct{ dir *os.File }

// OpenRoot opens the directory dir, which itself is trusted, as a root.
func OpenRoot(dir string) (*Root, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Root{f}, nil
}

// NewRoot makes a root of an open directory, which is the root's from then on.
func NewRoot(dir *os.File) *Root { return &Root{dir} }

// Close ends the use of the root; files opened in it stay open.
func (r *Root) Close() error { return r.dir.Close() }

func (r *Root) fd() int { return int(r.dir.Fd()) }

// Open opens path with open(2) flags; links in all of its parts are followed,
// in the last one unless O_NOFOLLOW is given.
//
// What is there may be anything: to open a device or a FIFO can have effects
// and can block. Ask for O_PATH, or use OpenFile for files with content.
func (r *Root) Open(path string, flags int) (*os.File, error) { return r.open(path, flags, 0) }

// Create makes and opens the file at path with the mode, less the umask. With
// O_EXCL in flags, something that is there is an error, a link too.
func (r *Root) Create(path string, flags int, mode fs.FileMode) (*os.File, error) {
	return r.open(path, flags|unix.O_CREAT, uint32(mode.Perm()))
}

func (r *Root) open(path string, flags int, mode uint32) (*os.File, error) {
	fd, err := openIn(r.fd(), path, flags|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openTries bounds how often the kernel may find the tree in motion before the
// path is walked by hand.
const openTries = 32

func openIn(root int, path string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_LARGEFILE), Mode: uint64(mode),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if path == "" {
		return -1, unix.ENOENT
	}
	for range openTries {
		fd, err := unix.Openat2(root, path, &how)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM) && !permissible(root):
			return walkOpen(root, path, flags, mode)
		}
		return fd, err
	}
	return walkOpen(root, path, flags, mode)
}

// permissible reports whether openat2 works at all: seccomp filters that do not
// know it answer EPERM for each call.
func permissible(root int) bool {
	fd, err := unix.Openat2(root, ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// OpenFile opens the regular file at path for reading. Anything else is
// refused without having been opened.
func (r *Root) OpenFile(path string) (*os.File, error) {
	p, err := r.open(path, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	st, err := p.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.EISDIR}
	}
	if !st.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	fd, err := unix.Open(procFD(int(p.Fd())), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// procFD names what the descriptor is open on, whatever its path is now.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// ReadFile reads the regular file at path, at most limit bytes of it:
// ErrTooLarge where there is more.
func (r *Root) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := r.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return data, nil
}

// Stat tells of what path leads to.
func (r *Root) Stat(path string) (fs.FileInfo, error) { return r.stat(path, 0) }

// Lstat tells of path itself, also where it is a link.
func (r *Root) Lstat(path string) (fs.FileInfo, error) { return r.stat(path, unix.O_NOFOLLOW) }

func (r *Root) stat(path string, flags int) (fs.FileInfo, error) {
	f, err := r.open(path, unix.O_PATH|flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// Sub opens the directory at path as a root of its own.
func (r *Root) Sub(path string) (*Root, error) {
	f, err := r.open(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Root{f}, nil
}

// ReadDir lists the directory at path, sorted by name.
func (r *Root) ReadDir(path string) ([]fs.DirEntry, error) {
	f, err := r.open(path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// MkdirAll makes the directory at path and those above it that are missing,
// each with the mode (whatever the umask) and the owner; -1 leaves the owner as
// it comes out. A link that leads to nothing is made to lead to a directory.
func (r *Root) MkdirAll(path string, mode fs.FileMode, uid, gid int) error {
	w, err := newWalk(r.fd(), path)
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	defer w.close()
	w.missing = func(parent int, name string) error { return mkdir(parent, name, mode, uid, gid) }
	if err := w.directory(); err != nil {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

func mkdir(parent int, name string, mode fs.FileMode, uid, gid int) error {
	if err := unix.Mkdirat(parent, name, 0o700); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return nil // made by somebody else meanwhile; the walk looks at it again
		}
		return err
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Somebody who may write in parent may have put another directory in its
	// place. Ours has no owner but us and nothing in it; the other one keeps its
	// owner.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&0o7777&^(unix.S_ISGID|0o700) != 0 || int(st.Uid) != os.Geteuid() {
		return nil
	}
	if uid != -1 || gid != -1 {
		if err := unix.Fchown(fd, uid, gid); err != nil {
			return err
		}
	}
	return unix.Fchmod(fd, unixMode(mode))
}

func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// Resolve gives the path that path leads to: absolute in the root, and without
// links as long as nobody changes it. Parts that do not exist stay as they are.
func (r *Root) Resolve(path string) (string, error) {
	w, err := newWalk(r.fd(), path)
	if err != nil {
		return "", &os.PathError{Op: "resolve", Path: path, Err: err}
	}
	defer w.close()
	for {
		name := w.next()
		if name == "" {
			return w.lexical(""), nil
		}
		err := w.step(name)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return w.lexical(name), nil
		}
		if err != nil {
			return "", &os.PathError{Op: "resolve", Path: path, Err: err}
		}
	}
}
