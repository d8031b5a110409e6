package program

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
)

// build makes an embedded file system with a program of the given content.
func build(t testing.TB, name string, content []byte, zip bool) fs.FS {
	t.Helper()
	sum := sha256.Sum256(content)
	data := fstest.MapFS{
		"bin/README":              {Data: []byte("x")},
		"bin/" + name + ".sha256": {Data: []byte(hex.EncodeToString(sum[:]) + "  " + name + "\n")},
	}
	if !zip {
		data["bin/"+name] = &fstest.MapFile{Data: content}
		return data
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	w.Close()
	data["bin/"+name+".gz"] = &fstest.MapFile{Data: b.Bytes()}
	return data
}

// echo is a real program, because a script could not be executed from memory.
func echo(t testing.TB) []byte {
	t.Helper()
	path, err := exec.LookPath("echo")
	if err != nil {
		t.Skip("needs echo")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func roots(t testing.TB) dirs.Roots {
	t.Helper()
	dir := t.TempDir()
	return dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}
}

func mustFind(t testing.TB, data fs.FS, name string) packed {
	t.Helper()
	p, err := find(data, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantRuns(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(path, "it", "runs")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd.ExtraFiles = []*os.File{r, w, r, w, r, w, r, w}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "it runs\n" {
		t.Errorf("%s gives %q, %v", path, out, err)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestPathUnpacksOnce(t *testing.T) {
	for _, zip := range []bool{false, true} {
		p, r := mustFind(t, build(t, Monitor, echo(t), zip), Monitor), roots(t)
		path, err := p.path(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(r.Programs(), "monitor-"+p.hash[:16]); path != want {
			t.Errorf("path is %s, want %s", path, want)
		}
		wantRuns(t, path)
		first := inode(t, path)
		if _, err := p.path(r); err != nil || inode(t, path) != first {
			t.Errorf("unpacked again (%v)", err)
		}
	}
}

func TestPathRepairs(t *testing.T) {
	damage := map[string]func(path string) error{
		"a part is missing":       func(p string) error { return os.Truncate(p, 100) },
		"others may write":        func(p string) error { return os.Chmod(p, 0o757) },
		"it cannot be executed":   func(p string) error { return os.Chmod(p, 0o444) },
		"a link is in its place":  func(p string) error { os.Remove(p); return os.Symlink("/bin/false", p) },
		"it is gone":              os.Remove,
		"the directory is gone":   func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
		"its owner is other":      func(p string) error { return os.Chown(p, 12345, -1) },
		"an old attempt is there": func(p string) error { os.Remove(p); return os.WriteFile(p+".tmp1", nil, 0) },
	}
	for what, do := range damage {
		t.Run(what, func(t *testing.T) {
			p, r := mustFind(t, build(t, Monitor, echo(t), false), Monitor), roots(t)
			path, err := p.path(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := do(path); err != nil {
				if os.Geteuid() != 0 {
					t.Skip("not running as root")
				}
				t.Fatal(err)
			}
			again, err := p.path(r)
			if err != nil || again != path {
				t.Fatalf("%s, %v", again, err)
			}
			wantRuns(t, path)
		})
	}
}

func TestPathUsesMemory(t *testing.T) {
	t.Run("where others may change the directory", func(t *testing.T) {
		p, r := mustFind(t, build(t, Monitor, echo(t), true), Monitor), roots(t)
		if err := os.MkdirAll(r.Programs(), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(r.Data, 0o777); err != nil {
			t.Fatal(err)
		}
		path, err := p.path(r)
		if err != nil || !strings.HasPrefix(path, "/proc/self/fd/") {
			t.Fatalf("%s, %v", path, err)
		}
		wantRuns(t, path)
		if entries, _ := os.ReadDir(r.Programs()); len(entries) > 0 {
			t.Errorf("unpacked into a directory of others: %v", entries)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write([]byte("x"))
			f.Close()
		}
		if err == nil {
			t.Error("the copy in memory can be written")
		}
		if _, err := p.file(r); !errors.Is(err, errUntrusted) {
			t.Errorf("File gives %v", err)
		}
	})
	t.Run("where nothing may be executed", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("not running as root")
		}
		p, r := mustFind(t, build(t, Monitor, echo(t), false), Monitor), roots(t)
		if err := os.MkdirAll(r.Data, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", r.Data, "tmpfs", unix.MS_NOEXEC, "mode=755"); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(r.Data, unix.MNT_DETACH)
		path, err := p.path(r)
		if err != nil || !strings.HasPrefix(path, "/proc/self/fd/") {
			t.Fatalf("%s, %v", path, err)
		}
		wantRuns(t, path)
		if path, err := p.file(r); err != nil || filepath.Dir(path) != r.Programs() {
			t.Errorf("File gives %s, %v", path, err)
		}
	})
}

func TestPathAtOnce(t *testing.T) {
	p, r := mustFind(t, build(t, Monitor, echo(t), false), Monitor), roots(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), asUnpacker+"="+r.Data)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	path, err := p.path(r)
	if err != nil {
		t.Fatal(err)
	}
	wantRuns(t, path)
	if entries, _ := os.ReadDir(r.Programs()); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// Several containers that one command starts unpack and execute at once.
func TestPathAtOnceInOneProcess(t *testing.T) {
	data := build(t, Monitor, echo(t), false)
	for range 10 {
		p, r := mustFind(t, data, Monitor), roots(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				path, err := p.path(r)
				if err == nil {
					err = exec.Command(path).Run()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// asUnpacker makes the test binary unpack a program and end.
const asUnpacker = "SKIFF_TEST_DATA"

func TestMain(m *testing.M) {
	data := os.Getenv(asUnpacker)
	if data == "" {
		os.Exit(m.Run())
	}
	path, err := exec.LookPath("echo")
	if err != nil {
		panic(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	p, err := find(build(&testing.T{}, Monitor, content, false), Monitor)
	if err == nil {
		path, err = p.path(dirs.Roots{Data: data})
	}
	if err == nil {
		err = exec.Command(path).Run()
	}
	if err != nil {
		panic(err)
	}
}

func TestPathRemovesOldVersions(t *testing.T) {
	p, r := mustFind(t, build(t, Monitor, echo(t), false), Monitor), roots(t)
	old := time.Now().Add(-2 * oldAge)
	for name, when := range map[string]time.Time{
		"monitor-0123456789abcdef": old, "monitor-fedcba9876543210": time.Now(),
		"monitor-0123456789abcdef.tmp7": old, "imagetool-0123456789abcdef": old,
	} {
		path := filepath.Join(r.Programs(), name)
		if err := errors.Join(os.MkdirAll(r.Programs(), 0o711), os.WriteFile(path, nil, 0o555), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.path(r); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, _ := os.ReadDir(r.Programs())
	for _, e := range entries {
		left = append(left, strings.TrimSuffix(e.Name(), p.hash[:16]))
	}
	if got, want := strings.Join(left, " "), "imagetool-0123456789abcdef monitor- monitor-fedcba9876543210"; got != want && got != "imagetool-0123456789abcdef monitor-fedcba9876543210 monitor-" {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestPathErrors(t *testing.T) {
	good := build(t, ImageTool, []byte("content"), false).(fstest.MapFS)
	without := func(name string) fs.FS {
		m := fstest.MapFS{}
		for k, v := range good {
			if k != name {
				m[k] = v
			}
		}
		return m
	}
	for what, data := range map[string]fs.FS{
		"no program": without("bin/imagetool"), "no hash": without("bin/imagetool.sha256"), "nothing": fstest.MapFS{},
	} {
		_, err := find(data, ImageTool)
		if want := "this skiff was built without its image tool: build it with make"; err == nil || err.Error() != want || !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good["bin/imagetool"] = &fstest.MapFile{Data: []byte("tampered")}
	p, r := mustFind(t, good, ImageTool), roots(t)
	if _, err := p.path(r); err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("wrong content: %v", err)
	}
	if entries, _ := os.ReadDir(r.Programs()); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestTrusted(t *testing.T) {
	for _, c := range []struct {
		what       string
		uid, gid   uint32
		mode       uint32
		euid, egid uint32
		want       bool
	}{
		{"root's directory", 0, 0, 0o755, 1000, 1000, true},
		{"own directory", 1000, 1000, 0o700, 1000, 1000, true},
		{"another user's directory", 1001, 1001, 0o755, 1000, 1000, false},
		{"another user's directory, for root", 1001, 1001, 0o755, 0, 0, false},
		{"sticky directory of root", 0, 0, 0o777 | syscall.S_ISVTX, 1000, 1000, true},
		{"sticky directory of another", 1001, 0, 0o777 | syscall.S_ISVTX, 1000, 1000, false},
		{"others may write", 1000, 1000, 0o757, 1000, 1000, false},
		{"the user's own group may write", 1000, 1000, 0o775, 1000, 1000, true},
		{"a shared group may write", 1000, 100, 0o775, 1000, 100, false},
		{"a group may write, for root", 0, 0, 0o775, 0, 0, false},
		{"the machine's root seen from a user namespace", overflowID, overflowID, 0o755, 0, 0, true},
	} {
		st := unix.Stat_t{Uid: c.uid, Gid: c.gid, Mode: c.mode | unix.S_IFDIR}
		if got := trusted(st, c.euid, c.egid); got != c.want {
			t.Errorf("%s: trusted is %v", c.what, got)
		}
	}
}

func BenchmarkPath(b *testing.B) {
	p, r := mustFind(b, build(b, Monitor, echo(b), false), Monitor), roots(b)
	for b.Loop() {
		if _, err := p.path(r); err != nil {
			b.Fatal(err)
		}
	}
}
