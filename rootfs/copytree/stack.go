package copytree

import (
	"os"

	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// Stack makes one layer of several, which are overlay's upper directories, the
// lowest first: on top of what is below them it shows the same files. With whole
// there is nothing below, and it has no marks of overlay. Files are linked where
// that is possible.
func Stack(layers []string, to *os.File, whole bool) error {
	o := Options{Link: true, Replace: true, Layer: !whole}
	for _, dir := range layers {
		from, err := os.Open(dir)
		if err != nil {
			return err
		}
		c := copier{Options: o, stack: true, whole: whole, top: int(to.Fd()), links: map[fileID]string{}}
		err = c.directory(from, to, "")
		from.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func whiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// uncover prepares the place of an entry of an upper layer in what the layers
// before have made. hides says that the directory which is to be there hides what
// is below; skip that nothing is to be there.
func (c *copier) uncover(from, to *os.File, name string, st *unix.Stat_t) (hides, skip bool, err error) {
	if whiteout(st) {
		if !c.whole {
			return false, false, nil
		}
		return false, true, safepath.RemoveAllAt(to, name)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false, false, nil
	}
	var old unix.Stat_t
	if unix.Fstatat(int(to.Fd()), name, &old, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false, false, nil
	}
	if old.Mode&unix.S_IFMT != unix.S_IFDIR {
		return !c.whole, false, nil // a directory in the place of something else
	}
	sub, err := openAt(int(from.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, false, err
	}
	defer sub.Close()
	if !isOpaque(int(sub.Fd())) {
		return false, false, nil
	}
	return false, false, safepath.RemoveAllAt(to, name)
}

// opaqueMarks are overlay's, of which the second is for user namespaces.
func opaqueMarks() []string { return []string{"trusted.overlay.opaque", "user.overlay.opaque"} }

func isOpaque(fd int) bool {
	var value [1]byte
	for _, mark := range opaqueMarks() {
		if n, err := unix.Fgetxattr(fd, mark, value[:]); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}

// markOpaque has a directory hide what is below it.
func markOpaque(dir int, name string) error {
	f, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, mark := range opaqueMarks() {
		if err = unix.Fsetxattr(int(f.Fd()), mark, []byte("y"), 0); err == nil {
			return nil
		}
	}
	return &os.PathError{Op: "mark", Path: name, Err: err}
}
