package safepath

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attack swaps a directory of the root with links that point out of it, and
// moves another one up and down, until the test ends.
func attack(t *testing.T, root, outside string) {
	t.Helper()
	for _, d := range []string{"x", "x/y", "x/y/z", "low/er"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/x/passwd", "inside")
	for name, target := range map[string]string{"evil1": outside, "evil2": "../outside", "evil3": "../../../../../.." + outside} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	swap := func(a, b string, flag uint) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, a), unix.AT_FDCWD, filepath.Join(root, b), flag)
					unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, b), unix.AT_FDCWD, filepath.Join(root, a), flag)
				}
			}
		})
	}
	swap("x", "evil1", unix.RENAME_EXCHANGE)
	swap("x", "evil2", unix.RENAME_EXCHANGE)
	swap("x/y/z", "moved", unix.RENAME_NOREPLACE)
	t.Cleanup(func() { close(stop); wg.Wait() })
}

func TestSwappedLinks(t *testing.T) {
	dir, outside := jail(t)
	attack(t, dir, outside)
	r := open(t, dir)
	read := func(fd int, err error) {
		if err != nil {
			return
		}
		f := os.NewFile(uintptr(fd), "f")
		defer f.Close()
		var buf [10]byte
		if n, _ := f.Read(buf[:]); string(buf[:n]) == "secret" {
			t.Fatal("read the secret")
		}
	}
	inside := 0
	end := time.Now().Add(1500 * time.Millisecond)
	for i := 0; time.Now().Before(end); i++ {
		read(openIn(r.fd(), "x/passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0))
		read(walkOpen(r.fd(), "x/passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0))
		read(openIn(r.fd(), "x/y/z/../../../passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0))
		read(walkOpen(r.fd(), "x/y/z/../../../../outside/passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0))
		if data, err := r.ReadFile("x/passwd", 100); err == nil {
			inside++
			if string(data) != "inside" {
				t.Fatalf("read %q", data)
			}
		}
		r.MkdirAll("x/made/here", 0o777, -1, -1)
		r.MkdirAll("x/y/z/../../../../outside/made", 0o777, -1, -1)
		if f, err := r.Create("x/written", os.O_WRONLY|os.O_TRUNC, 0o666); err == nil {
			f.Close()
		}
		if fd, err := walkOpen(r.fd(), "x/walked", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600); err == nil {
			unix.Close(fd)
		}
	}
	if inside == 0 {
		t.Error("never read the file inside: the test proves nothing")
	}
	wantOutside(t, outside)
}

func TestRemoveAllUnderAttack(t *testing.T) {
	dir, outside := jail(t)
	attack(t, dir, outside)
	r := open(t, dir)
	for range 100 {
		if err := r.MkdirAll("t/d/e", 0o755, -1, -1); err != nil {
			t.Fatal(err)
		}
		os.Symlink(outside, dir+"/t/link")
		os.Rename(dir+"/x", dir+"/t/d/x")
		if err := RemoveAll(dir + "/t"); err != nil {
			t.Fatal(err)
		}
		r.MkdirAll("x/y/z", 0o755, -1, -1)
	}
	// RemoveAll of a path whose parent is hostile is not what it promises; this
	// is: the parent is held open.
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 100 {
		RemoveAllAt(d, "x")
		r.MkdirAll("x/y/z", 0o755, -1, -1)
	}
	wantOutside(t, outside)
}

func TestRemoveAll(t *testing.T) {
	dir, outside := jail(t)
	if err := RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("still there")
	}
	wantOutside(t, outside)
	if err := errors.Join(RemoveAll(dir), RemoveAll(dir+"/none/none")); err != nil {
		t.Errorf("what is missing: %v", err)
	}
	link := outside + "-link"
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := RemoveAll(link); err != nil {
		t.Error(err)
	}
	wantOutside(t, outside)
	for _, p := range []string{"/", ".", "..", "", "/tmp/.."} {
		if err := RemoveAll(p); err == nil {
			t.Fatalf("RemoveAll(%q) did not refuse", p)
		}
	}
}
