package safepath

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// flattenAt is the depth at which directories are moved up before they are
	// emptied, so that no tree is too deep for the descriptors of a process.
	flattenAt = 64
	// maxReported bounds the failures that are told one by one.
	maxReported = 3
	batch       = 256
)

// RemoveAll removes path, and if it is a directory all that is in it. The
// directory that holds path is trusted; what is below is not: no link is
// followed, nothing that is mounted there is touched, and neither depth nor
// modes stop it. What cannot be removed is reported, the rest is gone. A
// missing path is no error.
func RemoveAll(path string) error {
	parent, name := filepath.Split(filepath.Clean(path))
	if name == "" || name == "." || name == ".." || name == "/" {
		return &os.PathError{Op: "remove", Path: path, Err: unix.EINVAL}
	}
	dir, err := os.OpenFile(filepath.Clean(parent+"."), unix.O_PATH|unix.O_DIRECTORY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return RemoveAllAt(dir, name)
}

// RemoveAllAt is RemoveAll of the entry name of the open directory.
func RemoveAllAt(dir *os.File, name string) error {
	r := remover{base: -1}
	r.entry(int(dir.Fd()), name, filepath.Join(dir.Name(), name), 0)
	return r.err()
}

type remover struct {
	base    int // the topmost directory that is being emptied
	path    string
	moved   int // names given to directories that were moved up
	removed int
	failed  int
	errs    []error
}

func (r *remover) fail(path string, err error) {
	r.failed++
	if len(r.errs) < maxReported {
		r.errs = append(r.errs, &os.PathError{Op: "remove", Path: path, Err: err})
	}
}

func (r *remover) err() error {
	var all error
	for i, err := range r.errs {
		if i == 0 {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	if r.failed > len(r.errs) {
		return fmt.Errorf("%w; and %d more", all, r.failed-len(r.errs))
	}
	return all
}

// entry removes one entry of the directory dir; path is for messages. depth is
// how many directories of the tree are open.
func (r *remover) entry(dir int, name, path string, depth int) {
	err := unlink(dir, name, 0, depth)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) && isDir(dir, name) {
		if depth >= flattenAt && r.moveUp(dir, name) {
			return
		}
		err = r.directory(dir, name, path, depth)
	}
	switch {
	case err == nil:
		r.removed++
	case errors.Is(err, unix.ENOENT), errors.Is(err, errTold):
	default:
		r.fail(path, because(dir, name, err))
	}
}

// errTold: what stands in the way has been reported already.
var errTold = errors.New("reported")

// directory empties and removes the directory name of dir.
func (r *remover) directory(dir int, name, path string, depth int) error {
	if unlink(dir, name, unix.AT_REMOVEDIR, depth) == nil { // often empty
		return nil
	}
	fd, err := openForRemoval(dir, name)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if depth == 0 {
		r.base, r.path = fd, path
	}
	for {
		removed, failed := r.removed, r.failed
		if err := r.pass(f, path, depth+1); err != nil {
			return err
		}
		err := unlink(dir, name, unix.AT_REMOVEDIR, depth)
		if !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
		// Some file systems leave entries out while others are removed, and
		// directories are moved into the topmost one.
		if r.removed == removed {
			if r.failed > failed {
				return errTold
			}
			return err
		}
		r.failed, r.errs = failed, r.errs[:min(failed, maxReported)]
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// pass removes what one reading of the directory shows.
func (r *remover) pass(f *os.File, path string, depth int) error {
	for {
		names, err := f.Readdirnames(batch)
		for _, n := range names {
			r.entry(int(f.Fd()), n, path+"/"+n, depth)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// moveUp moves a directory into the topmost one, which is emptied until nothing
// is left.
func (r *remover) moveUp(dir int, name string) bool {
	for range 100 {
		r.moved++
		err := unix.Renameat2(dir, name, r.base, ".removed-"+strconv.Itoa(r.moved), unix.RENAME_NOREPLACE)
		if err == nil {
			r.removed++
			return true
		}
		if !errors.Is(err, unix.EEXIST) {
			return false
		}
	}
	return false
}

// unlink removes an entry, giving its owner the right to where only the mode of
// a directory of the tree is in the way.
func unlink(dir int, name string, flags, depth int) error {
	err := retry(func() error { return unix.Unlinkat(dir, name, flags) })
	if errors.Is(err, unix.EACCES) && depth > 0 && unix.Fchmod(dir, 0o700) == nil {
		err = retry(func() error { return unix.Unlinkat(dir, name, flags) })
	}
	return err
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func isDir(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// openForRemoval opens the directory itself: not what a link leads to, and not
// what is mounted on it.
func openForRemoval(dir int, name string) (int, error) {
	fd, err := openHere(dir, name, unix.O_RDONLY)
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	p, err := openHere(dir, name, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(p)
	if err := unix.Chmod(procFD(p), 0o700); err != nil {
		return -1, unix.EACCES
	}
	return openHere(dir, name, unix.O_RDONLY)
}

func openHere(dir int, name string, flags int) (int, error) {
	flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for range openTries {
		fd, err := unix.Openat2(dir, name, &unix.OpenHow{Flags: uint64(flags),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
			return openHereOld(dir, name, flags)
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// openHereOld tells mounts by their device, which bind mounts of the same file
// system share; there the kernel's mount id helps.
func openHereOld(dir int, name string, flags int) (int, error) {
	fd, err := unix.Openat(dir, name, flags, 0)
	if err != nil {
		return -1, err
	}
	var a, b unix.Statx_t
	const mask = unix.STATX_MNT_ID
	erra := unix.Statx(dir, "", unix.AT_EMPTY_PATH, mask, &a)
	errb := unix.Statx(fd, "", unix.AT_EMPTY_PATH, mask, &b)
	if err := errors.Join(erra, errb); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if a.Dev_major != b.Dev_major || a.Dev_minor != b.Dev_minor || a.Mnt_id != b.Mnt_id {
		unix.Close(fd)
		return -1, unix.EXDEV
	}
	return fd, nil
}

// because makes the reasons plain that the error number hides.
func because(dir int, name string, err error) error {
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EBUSY):
		return errors.New("something is mounted there")
	case errors.Is(err, unix.EPERM):
		const fixed = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
		var st, parent unix.Statx_t
		unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
		unix.Statx(dir, "", unix.AT_EMPTY_PATH, 0, &parent)
		if st.Attributes&fixed != 0 {
			return errors.New("it is immutable (chattr -i -a)")
		}
		if parent.Attributes&fixed != 0 {
			return errors.New("its directory is immutable (chattr -i -a)")
		}
	}
	return err
}
