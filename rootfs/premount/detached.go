package premount

import (
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state/thread"
)

// bindAttributes are what a bind mount with any of them set or cleared does not
// take over from its source.
const bindAttributes = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// openTree is a copy of the mount at path, and with recursive of those below
// it, attached to nothing.
func openTree(path string, o options) (fd int, err error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if o.recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err = unix.OpenTree(unix.AT_FDCWD, path, flags)
	if err != nil {
		return -1, err
	}
	if err := o.apply(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// apply gives a bind mount its attributes.
func (o options) apply(fd int) error {
	attr := unix.MountAttr{}
	if o.set|o.clear != 0 {
		attr.Attr_set, attr.Attr_clr = o.set, bindAttributes&^o.set
	}
	if o.private {
		attr.Propagation = unix.MS_PRIVATE
	}
	if attr != (unix.MountAttr{}) {
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return err
		}
	}
	all := unix.MountAttr{}
	if o.privateAll {
		all.Propagation = unix.MS_PRIVATE
	}
	if o.readOnlyAll {
		all.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	if all == (unix.MountAttr{}) {
		return nil
	}
	return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &all)
}

// newMount is a new file system, attached to nothing.
func newMount(kind, source string, o options) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "source", source); err != nil {
		return -1, err
	}
	for _, word := range o.data {
		key, value, ok := strings.Cut(word, "=")
		if ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(o.set|o.atime))
}

// mountInNetwork is newMount in another network namespace, which is what a
// sysfs shows. The thread ends with that: an ordinary user's cannot come back.
func mountInNetwork(ns, kind, source string, o options) (fd int, err error) {
	there, err := unix.Open(ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(there)
	fd = -1
	thread.Run(func() (restored bool) {
		if err = unix.Setns(there, unix.CLONE_NEWNET); err != nil {
			return true
		}
		fd, err = newMount(kind, source, o)
		return false
	})
	return fd, err
}
