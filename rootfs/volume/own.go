package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"skiff/rootfs/copytree"
)

// Own gives a directory or file, and everything in it, to a user. Links are given
// away, not followed. Podman: the volume option U.
func Own(path string, uid, gid int) error {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = own(unix.AT_FDCWD, real, uid, gid, 0)
	}
	if err != nil {
		return fmt.Errorf("cannot give %q to the container's user: %w", path, err)
	}
	return nil
}

// SystemPaths are given away by nobody who means it. Podman refuses the same.
func SystemPaths() []string {
	return []string{
		"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
		"/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log",
	}
}

func own(dir int, name string, uid, gid, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := ownEntries(dir, name, uid, gid, depth+1); err != nil {
			return err
		}
	}
	if int(st.Uid) == uid && int(st.Gid) == gid {
		return nil // and keeps its setuid bit
	}
	return unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

func ownEntries(parent int, name string, uid, gid, depth int) error {
	if depth > copytree.MaxDepth {
		return fmt.Errorf("directories are nested more than %d deep", copytree.MaxDepth)
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	for {
		names, err := f.Readdirnames(256)
		for _, n := range names {
			if err := own(fd, n, uid, gid, depth); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
