package memory_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/memory"
)

func TestAPlaceIsInMemoryAndSweptWhenItsOwnerHasDied(t *testing.T) {
	roots := dirs.Roots{Run: filepath.Join(t.TempDir(), "run")}
	held, err := memory.New(roots)
	if err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(held.Dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("file system of %s: got %x, %v; want a tmpfs", held.Dir, fs.Type, err)
	}
	if st, err := os.Stat(filepath.Dir(held.Dir)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v; want mode 0700", st, err)
	}
	dead := filepath.Join(filepath.Dir(held.Dir), "dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "secret"), []byte("x"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := memory.Sweep(roots); err != nil {
		t.Fatal(err)
	}
	if jsonfile.Exists(dead) || !jsonfile.Exists(held.Dir) {
		t.Errorf("after a sweep: dead %v, held %v; want false, true", jsonfile.Exists(dead), jsonfile.Exists(held.Dir))
	}
	if err := held.Remove(); err != nil {
		t.Error(err)
	}
	if err := memory.Sweep(roots); err != nil {
		t.Error(err)
	}
	if parent := filepath.Dir(held.Dir); jsonfile.Exists(parent) {
		t.Errorf("%s is left", parent)
	}
}

func TestAPlaceOfSomebodyElseIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give directories away")
	}
	roots := dirs.Roots{Run: filepath.Join(t.TempDir(), "run")}
	p, err := memory.New(roots)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Remove()
	parent := filepath.Dir(p.Dir)
	if filepath.Dir(parent) != "/dev/shm" {
		t.Skip("the directory for tests is in memory")
	}
	if err := os.Chown(parent, 12345, 0); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(parent)
	if q, err := memory.New(roots); err == nil {
		q.Remove()
		t.Error("got a place in a directory of somebody else's")
	}
}
