package safepath

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMountpoint(t *testing.T) {
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH}); err != nil {
		t.Skip("this kernel has no openat2")
	} else {
		unix.Close(fd)
	}
	dir, outside := jail(t)
	r := open(t, dir)
	for _, c := range []struct {
		path string
		dir  bool
		made bool
		err  error
	}{
		{path: "/a/b", dir: true},
		{path: "a/b/c/file"},
		{path: "/new/deep/dir", dir: true, made: true},
		{path: "/etc/hosts", made: true},
		{path: "/new/deep/file", made: true},
		{path: "/../../new/deep", dir: true},
		{path: "/", dir: true, err: unix.EBUSY},
		{path: "/a/../..", dir: true, err: unix.EBUSY},
		{path: "/host", dir: true, err: unix.ELOOP},
		{path: "/host/x", dir: true, err: unix.ELOOP},
		{path: "/climb", err: unix.ELOOP},
		{path: "/dangling", dir: true, err: unix.ELOOP},
		{path: "/abs", err: unix.ELOOP},
		{path: "/proc/x", dir: true, err: unix.ELOOP},
		{path: "/etc/passwd/x", dir: true, err: unix.ENOTDIR},
	} {
		f, made, err := r.Mountpoint(c.path, c.dir)
		if !errors.Is(err, c.err) || made != c.made {
			t.Errorf("%q: made %v, error %v; want %v, %v", c.path, made, err, c.made, c.err)
		}
		if err != nil {
			continue
		}
		st, err := f.Stat()
		f.Close()
		if err != nil || st.IsDir() != c.dir {
			t.Errorf("%q: a directory: %v (%v), want %v", c.path, st.IsDir(), err, c.dir)
		}
	}
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 1 {
		t.Errorf("outside there is now %v (%v)", left, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new", "place")); err == nil {
		t.Error("a link that leads to nothing was followed")
	}
}
