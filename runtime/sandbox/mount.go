package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"skiff/state/thread"
)

// ErrNotShared means that the other container has nothing to share there.
var ErrNotShared = errors.New("it is no file system of the container's own")

// MountFrom mounts what the sandbox has mounted at path, which must be a tmpfs,
// on the directory target of the calling process's mount namespace. It is how a
// container that joins another one's IPC namespace gets its /dev/shm: nothing
// of a container's mounts can be seen from outside.
func (s *Sandbox) MountFrom(path, target string) error {
	fd, err := s.cloneMount(path)
	if err != nil {
		return fmt.Errorf("cannot share %s of container %s: %w", path, s.id, err)
	}
	defer unix.Close(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot share %s of container %s: %w", path, s.id, err)
	}
	return nil
}

// RootMount opens a copy of the mount that the container's root file system is:
// its own files, with nothing of what is mounted on them.
func (s *Sandbox) RootMount() (*os.File, error) {
	fd, err := s.clone(func(pidfd int) (int, error) { return openTreeInside(pidfd, "/") })
	if err != nil {
		return nil, fmt.Errorf("cannot see the files of container %s: %w", s.id, err)
	}
	return os.NewFile(uintptr(fd), "/"), nil
}

// cloneMount opens a copy of the mount at path in the sandbox.
func (s *Sandbox) cloneMount(path string) (int, error) {
	return s.clone(func(pidfd int) (int, error) { return cloneInside(pidfd, path) })
}

// clone runs f on a thread that may enter the sandbox's mount namespace.
func (s *Sandbox) clone(f func(pidfd int) (int, error)) (int, error) {
	pidfd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return -1, ErrNotRunning
	}
	defer unix.Close(pidfd)
	if err := s.runs(); err != nil {
		return -1, err
	}
	fd := -1
	thread.Run(func() bool {
		fd, err = f(pidfd)
		return false
	})
	return fd, err
}

// openTreeInside runs on a thread of its own. The path is resolved in the
// container, so that its links lead nowhere else.
func openTreeInside(pidfd int, path string) (int, error) {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return -1, err
	}
	if err := unix.Setns(pidfd, unix.CLONE_NEWNS); err != nil {
		return -1, err
	}
	return unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
}

// cloneInside is openTreeInside for what must be a tmpfs.
func cloneInside(pidfd int, path string) (int, error) {
	fd, err := openTreeInside(pidfd, path)
	if err != nil {
		return -1, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		unix.Close(fd)
		return -1, ErrNotShared
	}
	return fd, nil
}
