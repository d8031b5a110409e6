package safepath

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// jail makes a directory with a root in it, beside a secret that nobody in the
// root may reach.
func jail(t testing.TB) (root, outside string) {
	t.Helper()
	base := t.TempDir()
	root, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	for _, d := range []string{root, outside, root + "/etc", root + "/a/b/c"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, outside+"/passwd", "secret")
	write(t, root+"/etc/passwd", "inside")
	write(t, root+"/a/b/c/file", "deep")
	for name, target := range map[string]string{
		"abs": "/etc/passwd", "up": "../../../../etc/passwd", "a/b/rel": "../../etc", "self": "self",
		"host": outside, "hostfile": outside + "/passwd", "climb": "../outside/passwd", "ring1": "ring2", "ring2": "/ring1",
		"dangling": "/new/place", "a/dots": "..", "tofile": "a/b/c/file", "slash": "/", "proc": "/proc/self/root",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root, outside
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *Root {
	t.Helper()
	r, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestReadFile(t *testing.T) {
	dir, _ := jail(t)
	r := open(t, dir)
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/etc/passwd": "inside", "etc/passwd": "inside", "../../etc/passwd": "inside", "/abs": "inside", "up": "inside",
		"a/b/rel/passwd": "inside", "/slash/slash/etc/passwd": "inside", "a/dots/tofile": "deep", "//a///b/./c/file": "deep",
	} {
		if got, err := r.ReadFile(path, 100); err != nil || string(got) != want {
			t.Errorf("ReadFile(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]error{
		"hostfile": os.ErrNotExist, "host/passwd": os.ErrNotExist, "climb": os.ErrNotExist, "self": unix.ELOOP, "proc/etc/passwd": unix.ELOOP,
		"ring1": unix.ELOOP, "etc": unix.EISDIR, "etc/passwd/": unix.ENOTDIR, "": os.ErrNotExist,
		"a/\x00": unix.EINVAL, strings.Repeat("a/", 3000): unix.ENAMETOOLONG,
	} {
		if got, err := r.ReadFile(path, 100); !errors.Is(err, want) {
			t.Errorf("ReadFile(%.30q) = %q, %v; want %v", path, got, err, want)
		}
	}
	if _, err := r.ReadFile("etc/passwd", 5); !errors.Is(err, ErrTooLarge) {
		t.Errorf("six bytes of five: %v", err)
	}
	if _, err := r.ReadFile("fifo", 5); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("fifo: %v", err)
	}
}

func TestStatAndCreate(t *testing.T) {
	dir, outside := jail(t)
	r := open(t, dir)
	if st, err := r.Lstat("abs"); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Lstat of a link: %v %v", st, err)
	}
	if st, err := r.Stat("abs"); err != nil || st.Size() != 6 {
		t.Errorf("Stat of a link: %v %v", st, err)
	}
	if _, err := r.Create("hostfile", os.O_WRONLY|os.O_EXCL, 0o600); !errors.Is(err, os.ErrExist) {
		t.Errorf("O_EXCL on a link: %v", err)
	}
	f, err := r.Create("a/b/rel/new", os.O_WRONLY|os.O_EXCL, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if st, err := os.Lstat(dir + "/etc/new"); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("created: %v %v", st, err)
	}
	entries, err := r.ReadDir("a/b/rel")
	if err != nil || len(entries) != 2 || entries[0].Name() != "new" {
		t.Errorf("ReadDir: %v %v", entries, err)
	}
	sub, err := r.Sub("/a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if got, err := sub.ReadFile("../../c/file", 10); err != nil || string(got) != "deep" {
		t.Errorf("in a part of the root: %q %v", got, err)
	}
	wantOutside(t, outside)
}

func wantOutside(t testing.TB, outside string) {
	t.Helper()
	entries, _ := os.ReadDir(outside)
	got, _ := os.ReadFile(outside + "/passwd")
	st, _ := os.Stat(outside)
	if len(entries) != 1 || string(got) != "secret" || st.Mode().Perm() != 0o755 {
		t.Errorf("outside was changed: %v %q %v", entries, got, st.Mode())
	}
}

func TestMkdirAll(t *testing.T) {
	dir, outside := jail(t)
	r := open(t, dir)
	defer unix.Umask(unix.Umask(0o077))
	for path, want := range map[string]string{
		"x/y/z": "x/y/z", "/a/b/c": "a/b/c", "dangling/deep": "new/place/deep", "../../top": "top",
		"a/b/rel/sub/": "etc/sub", "host/made": strings.TrimPrefix(outside, "/") + "/made",
	} {
		if err := r.MkdirAll(path, 0o751|fs.ModeSticky, -1, -1); err != nil {
			t.Errorf("MkdirAll(%q): %v", path, err)
			continue
		}
		st, err := os.Lstat(filepath.Join(dir, want))
		if err != nil || !st.IsDir() {
			t.Errorf("MkdirAll(%q): %v %v", path, st, err)
		} else if path != "/a/b/c" && st.Mode() != fs.ModeDir|fs.ModeSticky|0o751 {
			t.Errorf("MkdirAll(%q): mode %v", path, st.Mode())
		}
	}
	for path, want := range map[string]error{"etc/passwd/x": unix.ENOTDIR, "ring1/x": unix.ELOOP, "tofile": unix.ENOTDIR} {
		if err := r.MkdirAll(path, 0o755, -1, -1); !errors.Is(err, want) {
			t.Errorf("MkdirAll(%q) = %v, want %v", path, err, want)
		}
	}
	wantOutside(t, outside)
	if os.Geteuid() != 0 {
		return
	}
	if err := r.MkdirAll("owned/by", 0o700, 12, 34); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"owned", "owned/by"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, p), &st); err != nil || st.Uid != 12 || st.Gid != 34 {
			t.Errorf("%s: %d:%d %v", p, st.Uid, st.Gid, err)
		}
	}
}

func TestResolve(t *testing.T) {
	dir, _ := jail(t)
	r := open(t, dir)
	for path, want := range map[string]string{
		"/": "/", "a/b/rel": "/etc", "abs": "/etc/passwd", "up": "/etc/passwd", "dangling": "/new/place", "dangling/x/../y": "/new/place/y",
		"../..": "/", "a/dots/a/b": "/a/b", "slash/none": "/none", "tofile": "/a/b/c/file", "climb": "/outside/passwd",
	} {
		if got, err := r.Resolve(path); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
	if got, err := r.Resolve("ring1"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("Resolve of a ring = %q, %v", got, err)
	}
}

// TestWalkAgrees compares the walk by hand with the kernel on many paths.
func TestWalkAgrees(t *testing.T) {
	dir, outside := jail(t)
	r := open(t, dir)
	if !permissible(r.fd()) {
		t.Skip("this kernel has no openat2")
	}
	parts := []string{"a", "b", "c", "rel", "dots", "slash", "abs", "up", "etc", "passwd", "..", ".", "", "file", "tofile",
		"none", "ring1", "host", "climb", "dangling", "self", strings.TrimPrefix(outside, "/")}
	flags := map[string]int{
		"path": unix.O_PATH, "path nofollow": unix.O_PATH | unix.O_NOFOLLOW, "read": unix.O_RDONLY, "read nofollow": unix.O_RDONLY | unix.O_NOFOLLOW,
		"directory": unix.O_RDONLY | unix.O_DIRECTORY, "exclusive": unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL,
		"create": unix.O_WRONLY | unix.O_CREAT, "write": unix.O_WRONLY,
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	how := func(path string, flag int) string {
		for {
			fd, err := unix.Openat2(r.fd(), path, &unix.OpenHow{Flags: uint64(flag | unix.O_CLOEXEC), Mode: modeFor(flag),
				Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
			// A rename or a mount anywhere on the machine makes ".." give EAGAIN.
			if !errors.Is(err, unix.EAGAIN) {
				return outcome(dir, fd, err)
			}
		}
	}
	for range 20000 {
		var p []string
		for range 1 + rnd.IntN(6) {
			p = append(p, parts[rnd.IntN(len(parts))])
		}
		path := strings.Join(p, "/")
		if path == "" {
			continue
		}
		for what, flag := range flags {
			want := how(path, flag)
			fd, err := walkOpen(r.fd(), path, flag|unix.O_CLOEXEC, uint32(modeFor(flag)))
			if got := outcome(dir, fd, err); got != want {
				t.Fatalf("%s %q: walk gives %s, the kernel %s", what, path, got, want)
			}
		}
	}
	wantOutside(t, outside)
}

func modeFor(flag int) uint64 {
	if flag&unix.O_CREAT != 0 {
		return 0o600
	}
	return 0
}

// outcome is where fd is, or the error; what was created is removed again.
func outcome(dir string, fd int, err error) string {
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fd)
	path, _ := os.Readlink(procFD(fd))
	var st unix.Stat_t
	unix.Fstat(fd, &st)
	if st.Mode&0o777 == 0o600 {
		os.Remove(path)
	}
	return fmt.Sprintf("%s %o", strings.TrimPrefix(path, dir), st.Mode&unix.S_IFMT)
}
