package layer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrBusy: somebody uses what is mounted.
var ErrBusy = errors.New("it is in use")

// Mounted says whether something is mounted on dir.
func Mounted(dir string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st)
	return err == nil && st.Attributes_mask&st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// MountAt shows an open, detached mount at dir, which is made.
func MountAt(mount *os.File, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := unix.MoveMount(int(mount.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		os.Remove(dir)
		return &os.PathError{Op: "mount on", Path: dir, Err: err}
	}
	return nil
}

// Unmount unmounts what is mounted on dir and removes dir. With force it goes
// from dir at once, and for good when nobody uses it any more; else ErrBusy where
// somebody does. A dir that is not there is no error.
func Unmount(dir string, force bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if force {
		flags |= unix.MNT_DETACH
	}
	for Mounted(dir) {
		err := unix.Unmount(dir, flags)
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("cannot unmount %s: %w", dir, ErrBusy)
		}
		if err != nil {
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
