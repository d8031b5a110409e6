package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/lock"
)

func volumes(t testing.TB) Volumes {
	t.Helper()
	dir := t.TempDir()
	return Volumes{dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}}
}

func create(t testing.TB, v Volumes, name string, opt Options) {
	t.Helper()
	if err := v.Create(name, opt); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func names(t testing.TB, v Volumes) string {
	t.Helper()
	vols, err := v.List()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, vol := range vols {
		out = append(out, vol.Name)
	}
	return strings.Join(out, " ")
}

func TestCreateAndLoad(t *testing.T) {
	v := volumes(t)
	defer unix.Umask(unix.Umask(0o077))
	create(t, v, "web-data_1.2", Options{Labels: map[string]string{"a": "b"}, Anonymous: true})
	vol, err := v.Load("web-data_1.2")
	if err != nil || vol.Labels["a"] != "b" || !vol.Anonymous || vol.Driver != "local" || vol.Filled || time.Since(vol.Created) > time.Minute {
		t.Errorf("loaded %+v, %v", vol, err)
	}
	if st, err := os.Stat(v.Roots.VolumeData("web-data_1.2")); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("directory: %v %v", st, err)
	}
	if st, _ := os.Stat(v.Roots.Volumes()); st.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can reach volumes: %v", st.Mode())
	}
	if err := v.Create("web-data_1.2", Options{}); !errors.Is(err, state.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := v.Load("web"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	for _, name := range []string{"", "-a", ".a", "a/b", "..", "a b", "ü", strings.Repeat("a", 256), "a\n"} {
		if err := v.Create(name, Options{}); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("Create(%q): %v", name, err)
		}
		if _, err := v.Load(name); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Load(%q): %v", name, err)
		}
	}
	if got := names(t, v); got != "web-data_1.2" {
		t.Errorf("volumes: %s", got)
	}
}

func TestCreateAtOnce(t *testing.T) {
	v := volumes(t)
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 16 {
		wg.Go(func() { errs <- v.Create("one", Options{}) })
	}
	wg.Wait()
	made := 0
	for range 16 {
		if err := <-errs; err == nil {
			made++
		} else if !errors.Is(err, state.ErrExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d of 16 made it", made)
	}
}

func TestCreateAfterCrash(t *testing.T) {
	v := volumes(t)
	for _, left := range []string{"", "lock", "_data/x"} {
		path := filepath.Join(v.Roots.Volume("half"), left)
		if left == "_data/x" {
			path = filepath.Dir(path)
			os.MkdirAll(path, 0o755)
		} else if left == "lock" {
			write(t, path, "")
		} else {
			os.MkdirAll(path, 0o755)
		}
		if got := names(t, v); got != "" {
			t.Errorf("a half made volume is listed: %s", got)
		}
		create(t, v, "half", Options{})
		if err := v.Remove("half", nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemove(t *testing.T) {
	v := volumes(t)
	create(t, v, "a", Options{})
	create(t, v, "b", Options{})
	write(t, v.Roots.VolumeData("a")+"/deep/file", "1")
	if err := v.Remove("a", func() ([]string, error) { return []string{"web", "db"}, nil }); !errors.Is(err, state.ErrInUse) || !strings.Contains(err.Error(), "web, db") {
		t.Errorf("in use: %v", err)
	}
	broken := errors.New("broken")
	if err := v.Remove("a", func() ([]string, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("unknown users: %v", err)
	}
	if got := names(t, v); got != "a b" {
		t.Errorf("volumes: %s", got)
	}
	if err := v.Remove("a", func() ([]string, error) { return nil, nil }); err != nil {
		t.Error(err)
	}
	if err := v.Remove("a", nil); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	if err := errors.Join(v.Discard("a"), v.Discard("b")); err != nil {
		t.Errorf("Discard: %v", err)
	}
	if entries, _ := os.ReadDir(v.Roots.Volumes()); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRemovePutsBackWhatItCannot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	v := volumes(t)
	create(t, v, "a", Options{})
	busy := v.Roots.VolumeData("a") + "/busy"
	if err := os.Mkdir(busy, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", busy, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	err := v.Remove("a", nil)
	unix.Unmount(busy, unix.MNT_DETACH)
	if err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("error: %v", err)
	}
	if err := v.Remove("a", nil); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestSweep(t *testing.T) {
	v := volumes(t)
	old := time.Now().Add(-time.Hour)
	create(t, v, "whole", Options{})
	for _, name := range []string{"half", "busy", "young"} {
		os.MkdirAll(v.Roots.VolumeData(name), 0o755)
		if name != "young" {
			os.Chtimes(v.Roots.Volume(name), old, old)
		}
	}
	write(t, v.Roots.VolumeTrash("gone")+"/_data/file", "1")
	l, err := lock.Take(v.Roots.VolumeLock("busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	os.Chtimes(v.Roots.Volume("busy"), old, old)
	if err := v.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(v.Roots.Volumes())
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := []string{"busy", "whole", "young"}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
}

func TestUse(t *testing.T) {
	v := volumes(t)
	for range 2 {
		path, err := v.Use("made")
		if err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(path); err != nil || !st.IsDir() {
			t.Error(err)
		}
	}
	if _, err := v.Use("../x"); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("bad name: %v", err)
	}
	write(t, v.Roots.VolumeRecord("made"), `{"version":1,"name":"other"}`)
	if _, err := v.Use("made"); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("edited name: %v", err)
	}
	write(t, v.Roots.VolumeRecord("made"), `{"version":99,"name":"made"}`)
	if _, err := v.Use("made"); !errors.Is(err, state.ErrVersion) {
		t.Errorf("newer version: %v", err)
	}
	if vols, err := v.List(); err == nil || len(vols) != 0 {
		t.Errorf("List hides a bad record: %v %v", vols, err)
	}
}

func TestDriverOptions(t *testing.T) {
	for _, c := range []struct {
		what string
		o    map[string]string
		want Mount
		fail string
	}{
		{"tmpfs", map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m,nosuid,uid=5"},
			Mount{"tmpfs", "tmpfs", unix.MS_NOSUID, "size=1m,uid=5"}, ""},
		{"bind", map[string]string{"type": "none", "device": "/srv", "o": "bind,ro"}, Mount{"/srv", "none", unix.MS_BIND | unix.MS_RDONLY, ""}, ""},
		{"the last word wins", map[string]string{"device": "/srv", "o": "rbind,ro,rw,noexec,exec"}, Mount{"/srv", "", unix.MS_BIND | unix.MS_REC, ""}, ""},
		{"no device", map[string]string{"type": "tmpfs"}, Mount{}, "lack device"},
		{"no type", map[string]string{"device": "/dev/x"}, Mount{}, "lack type"},
		{"unknown", map[string]string{"shape": "1"}, Mount{}, `unknown option "shape"`},
		{"Podman's keys", map[string]string{"type": "tmpfs", "device": "tmpfs", "size": "1m", "uid": "5", "o": "nocopy,uid=6"}, Mount{"tmpfs", "tmpfs", 0, "uid=6,size=1m"}, ""},
		{"Podman's bind", map[string]string{"type": "bind", "device": "/", "uid": "5"}, Mount{"/", "none", unix.MS_BIND, ""}, ""},
		{"a size of a directory", map[string]string{"o": "size=1m"}, Mount{}, "limited in size"},
		{"a share without a server", map[string]string{"type": "cifs", "device": "/x/y"}, Mount{}, "//HOST/SHARE"},
		{"an export without a server", map[string]string{"type": "nfs", "device": ":/y"}, Mount{}, "addr=HOST"},
	} {
		err := checkOptions(c.o)
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		if got, ok := Mounted(&state.Volume{Options: c.o}); err != nil || !ok || got != c.want {
			t.Errorf("%s: %+v %v, want %+v", c.what, got, err, c.want)
		}
	}
}

func TestAttach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	v, srv := volumes(t), t.TempDir()
	write(t, srv+"/file", "1")
	create(t, v, "plain", Options{})
	create(t, v, "bound", Options{Options: map[string]string{"type": "none", "device": srv, "o": "bind,ro"}})
	create(t, v, "memory", Options{Options: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=64k,mode=700"}})
	create(t, v, "broken", Options{Options: map[string]string{"type": "no-such-fs", "device": "x"}})
	for _, name := range []string{"plain", "bound", "memory"} {
		if err := v.Attach(name); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(v.Roots.VolumeData(name), unix.MNT_DETACH)
	}
	if got, err := os.ReadFile(v.Roots.VolumeData("bound") + "/file"); err != nil || string(got) != "1" {
		t.Errorf("bound: %q %v", got, err)
	}
	if err := os.WriteFile(v.Roots.VolumeData("bound")+"/x", nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing gives %v", err)
	}
	if st, err := os.Stat(v.Roots.VolumeData("memory")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("memory: %v %v", st, err)
	}
	if err := v.Attach("broken"); err == nil || !strings.Contains(err.Error(), `cannot mount volume "broken"`) {
		t.Errorf("broken: %v", err)
	}
	if err := unix.Unmount(v.Roots.VolumeData("plain"), 0); !errors.Is(err, fs.ErrInvalid) && err == nil {
		t.Error("something is mounted on a plain volume")
	}
}

func TestFileServersHaveAddresses(t *testing.T) {
	for _, c := range []struct{ in, want Mount }{
		{Mount{"127.0.0.1:/x", "nfs", 0, "soft"}, Mount{"127.0.0.1:/x", "nfs", 0, "soft,addr=127.0.0.1"}},
		{Mount{":/x", "nfs4", 0, "addr=localhost,ro"}, Mount{":/x", "nfs4", 0, "ro,addr=127.0.0.1"}},
		{Mount{"//127.0.0.2/s", "cifs", 0, "username=a"}, Mount{"//127.0.0.2/s", "cifs", 0, "username=a,ip=127.0.0.2"}},
		{Mount{"tmpfs", "tmpfs", 0, ""}, Mount{"tmpfs", "tmpfs", 0, ""}},
	} {
		got := c.in
		if err := got.findServer(); err != nil || strings.Replace(got.Data, "::1", "127.0.0.1", 1) != c.want.Data {
			t.Errorf("%+v: %+v %v, want %+v", c.in, got, err, c.want)
		}
	}
	m := Mount{Source: "nowhere.invalid:/x", Type: "nfs"}
	if err := m.findServer(); err == nil || !strings.Contains(err.Error(), `file server "nowhere.invalid"`) {
		t.Errorf("unknown server: %v", err)
	}
}
