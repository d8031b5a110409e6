package stage

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/rootfs/layer"
	"skiff/state"
)

// linkMtab makes /etc/mtab where the container's files have none. Steps of builds get
// none, since it would be in their layers, nor does a directory of the host's own.
func (s *starter) linkMtab() error {
	x := s.cfg.Extra()
	asked := slices.ContainsFunc(s.cfg.Mounts, func(m state.Mount) bool { return m.Target == layer.Mtab })
	if asked || x.Build != nil || x.Rootfs != nil && !x.Rootfs.Overlay {
		return nil
	}
	uid, gid := s.rootIDs()
	dir, name := path.Split(layer.Mtab)
	etc, err := s.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		if err = s.root.MkdirAll(dir, 0o755, uid, gid); err == nil {
			etc, err = s.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
		}
	}
	odd := []error{unix.ENOTDIR, unix.ELOOP, unix.ENOENT} // the image has something else there
	if slices.ContainsFunc(odd, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make %s: %w", layer.Mtab, err)
	}
	defer etc.Close()
	err = unix.Symlinkat(layer.MtabTarget, int(etc.Fd()), name)
	if err == nil && s.user != nil {
		err = unix.Fchownat(int(etc.Fd()), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot make %s: %w", layer.Mtab, err)
	}
	return nil
}
