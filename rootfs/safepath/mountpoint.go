package safepath

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Mountpoint opens (O_PATH) what is to be covered by a mount, and makes it and
// the directories above it where they are missing: a directory, or an empty
// file. A symbolic link in any part of the path is the error ELOOP: what is
// mounted goes to the very path that was named, or nowhere. The root itself is the
// error EBUSY, and openat2(2) is needed. made says that it was missing.
func (r *Root) Mountpoint(name string, dir bool) (f *os.File, made bool, err error) {
	fd, made, err := mountpoint(r.fd(), path.Clean("/"+name), dir)
	if err != nil {
		return nil, false, &os.PathError{Op: "open mount point", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), made, nil
}

func mountpoint(root int, name string, dir bool) (fd int, made bool, err error) {
	if name == "/" {
		return -1, false, unix.EBUSY
	}
	fd, err = openPlain(root, name)
	if !errors.Is(err, unix.ENOENT) {
		return fd, false, err
	}
	parent, base := root, path.Base(name)
	if up := path.Dir(name); up != "/" {
		if parent, _, err = mountpoint(root, up, true); err != nil {
			return -1, false, err
		}
		defer unix.Close(parent)
	}
	if dir {
		err = unix.Mkdirat(parent, base, 0o755)
	} else {
		err = makeFile(parent, base)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, false, err
	}
	fd, err = openPlain(parent, base)
	return fd, true, err
}

func makeFile(parent int, name string) error {
	fd, err := unix.Openat(parent, name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func openPlain(root int, name string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS}
	for range openTries {
		fd, err := unix.Openat2(root, name, &how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}
