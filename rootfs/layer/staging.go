package layer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Staging is a directory to which the root of any user namespace gets, and in
// which what is to be a container's is mounted: skiff's own directories, and
// many of the user's, are closed to the ids of such a container. Only the calling
// process and its children see it.
type Staging struct {
	// Root is a directory to mount the root file system on: one that is there on
	// the host too, because OCI runtimes look for it later.
	Root string
	dir  string
	n    int
}

// stagingPlaces are directories that every machine has some of, that everybody
// may walk through, and that nothing of skiff's own start looks into.
func stagingPlaces() []string {
	return []string{"/mnt", "/media", "/srv", "/opt", "/home", "/tmp"}
}

// NewStaging covers two of the usual places for mounts. In use are paths that
// have to stay as they are; what else is below the places has to be cloned before.
//
// Preconditions:
//   - the caller is in a mount namespace of its own
func NewStaging(inUse ...string) (*Staging, error) {
	s := &Staging{}
	err := error(unix.ENOENT)
	for _, dir := range stagingPlaces() {
		if covers(dir, inUse) {
			continue
		}
		if err = usable(dir); err != nil {
			continue
		}
		if s.Root == "" {
			s.Root = dir
			continue
		}
		s.dir = dir
		if err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=711"); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("cannot find a place to mount the container's files on: %w", err)
}

func covers(dir string, paths []string) bool {
	for _, p := range paths {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

func usable(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return PrivateMountPoint(dir)
}

// Directory makes an empty one to mount on.
func (s *Staging) Directory() (string, error) {
	s.n++
	dir := filepath.Join(s.dir, strconv.Itoa(s.n))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // whatever the umask
}

// Attach mounts a clone and gives its path.
func (s *Staging) Attach(clone int) (path string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(clone, &st); err != nil {
		return "", err
	}
	if path, err = s.Directory(); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		path = filepath.Join(path, "file")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return "", err
		}
	}
	if err := unix.MoveMount(clone, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", &os.PathError{Op: "mount on", Path: path, Err: err}
	}
	return path, nil
}

// ErrNoIDMap: this kernel or the file system cannot show files with other owners.
var ErrNoIDMap = errors.New("the file system cannot map owners")

// Clone opens a copy of what path is mounted from, with recursive also of all
// that is mounted below. The descriptor is the caller's to close.
func Clone(path string, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, flags)
	if err != nil {
		return -1, &os.PathError{Op: "clone", Path: path, Err: err}
	}
	return fd, nil
}

// MapOwners has a clone show files with the owners that the user namespace's map
// makes of them: an id on disk is taken for the one inside. It is ErrNoIDMap where
// that cannot be done. mount_setattr(2), MOUNT_ATTR_IDMAP.
func MapOwners(clone int, userNS int, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(clone, "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userNS)})
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %v", ErrNoIDMap, err)
	}
	return err
}

// MapLayers mounts layers with their owners mapped and gives their new paths. On
// ErrNoIDMap nothing is mounted.
func (s *Staging) MapLayers(layers []string, userNS int) (out []string, err error) {
	for _, l := range layers {
		path, err := s.mapLayer(l, userNS)
		if err != nil {
			for _, done := range out {
				unix.Unmount(done, unix.MNT_DETACH)
			}
			return nil, err
		}
		out = append(out, path)
	}
	return out, nil
}

func (s *Staging) mapLayer(layer string, userNS int) (string, error) {
	fd, err := Clone(layer, false)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if err := MapOwners(fd, userNS, false); err != nil {
		return "", err
	}
	return s.Attach(fd)
}
