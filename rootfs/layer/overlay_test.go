package layer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	inNamespace     = "SKIFF_TEST_MOUNT_NAMESPACE"
	inUserNamespace = "SKIFF_TEST_USER_NAMESPACE"
)

// TestMain runs root's tests in a mount namespace of their own.
func TestMain(m *testing.M) {
	if dir := os.Getenv(inUserNamespace); dir != "" {
		if err := beInUserNamespace(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 || os.Getenv(inNamespace) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
}

// tree makes n layers, each with a file of its own and one that all have, and
// the directories of a writable layer.
func tree(t testing.TB, dir string, n int) Overlay {
	t.Helper()
	var o Overlay
	for i := range n {
		l := filepath.Join(dir, fmt.Sprintf("layer%d", i))
		mkdir(t, l)
		write(t, filepath.Join(l, "all"), fmt.Sprint(i))
		write(t, filepath.Join(l, fmt.Sprintf("only%d", i)), "x")
		o.Lower = append(o.Lower, l)
	}
	o.Upper, o.Work, o.Target = filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "rootfs")
	mkdir(t, o.Upper, o.Work, o.Target)
	t.Cleanup(func() { unix.Unmount(o.Target, unix.MNT_DETACH) })
	return o
}

func mkdir(t testing.TB, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t testing.TB, path, text string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("%s holds %q (%v), want %q", path, got, err, text)
	}
}

func TestMount(t *testing.T) {
	needRoot(t)
	ways := map[string]func(Overlay) error{
		"as this kernel can": Overlay.Mount,
		"the new way":        Overlay.mountNew,
		"the old way":        Overlay.mountOld,
	}
	long := strings.Repeat(strings.Repeat("d", 60)+"/", 6)
	dirs := map[string]string{
		"plain paths":            "plain",
		"a path with separators": `odd:na,me\with=all`,
		"a long path":            long,
	}
	for way, mount := range ways {
		for what, name := range dirs {
			t.Run(way+" with "+what, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), name)
				mkdir(t, dir)
				o := tree(t, dir, 3)
				if err := mount(o); err != nil {
					t.Fatal(err)
				}
				wantFile(t, filepath.Join(o.Target, "all"), "2")
				for i := range 3 {
					wantFile(t, filepath.Join(o.Target, fmt.Sprintf("only%d", i)), "x")
				}
				write(t, filepath.Join(o.Target, "new"), "written")
				wantFile(t, filepath.Join(o.Upper, "new"), "written")
			})
		}
	}
}

func TestMountManyLayers(t *testing.T) {
	needRoot(t)
	for way, mount := range map[string]func(Overlay) error{"new": Overlay.Mount, "old": Overlay.mountOld} {
		t.Run(way, func(t *testing.T) {
			o := tree(t, t.TempDir(), MaxLayers)
			if err := mount(o); err != nil {
				t.Fatal(err)
			}
			wantFile(t, filepath.Join(o.Target, "all"), fmt.Sprint(MaxLayers-1))
			wantFile(t, filepath.Join(o.Target, "only0"), "x")
		})
	}
	o := Overlay{Lower: make([]string, MaxLayers+1), Target: t.TempDir()}
	if err := o.Mount(); err == nil || !strings.Contains(err.Error(), "501 layers") {
		t.Errorf("501 layers: %v", err)
	}
}

func TestMountFewLayers(t *testing.T) {
	needRoot(t)
	t.Run("an image without layers is the writable layer", func(t *testing.T) {
		o := tree(t, t.TempDir(), 0)
		if err := o.Mount(); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(o.Target, "f"), "1")
		wantFile(t, filepath.Join(o.Upper, "f"), "1")
	})
	for n := range 4 {
		t.Run(fmt.Sprintf("%d layers without a writable one are read-only", n), func(t *testing.T) {
			o := tree(t, t.TempDir(), n)
			o.Upper, o.Work = "", ""
			if err := o.Mount(); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				wantFile(t, filepath.Join(o.Target, "all"), fmt.Sprint(n-1))
			}
			if err := os.WriteFile(filepath.Join(o.Target, "f"), nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing gives %v, want EROFS", err)
			}
			if n == 0 {
				return // the tmpfs is nobody else's
			}
			// Who may remount, as a privileged container may, still cannot write to
			// layers that other containers use.
			unix.Mount("", o.Target, "", unix.MS_REMOUNT|unix.MS_BIND, "")
			if err := os.WriteFile(filepath.Join(o.Target, "f"), nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing after a remount gives %v, want EROFS", err)
			}
		})
	}
	for n := range 2 {
		t.Run(fmt.Sprintf("read-only with a writable layer over %d", n), func(t *testing.T) {
			o := tree(t, t.TempDir(), n)
			o.ReadOnly = true
			write(t, filepath.Join(o.Upper, "kept"), "1")
			if err := o.Mount(); err != nil {
				t.Fatal(err)
			}
			wantFile(t, filepath.Join(o.Target, "kept"), "1")
			if err := os.WriteFile(filepath.Join(o.Target, "f"), nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing gives %v, want EROFS", err)
			}
		})
	}
}

func TestMountRootDirectory(t *testing.T) {
	needRoot(t)
	o := tree(t, t.TempDir(), 2)
	top := o.Lower[1]
	if err := errors.Join(os.Chown(top, 12, 34), os.Chmod(top, 0o751|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	want := func(uid, gid, mode uint32) {
		t.Helper()
		if err := o.Mount(); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(o.Target, &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != uid || st.Gid != gid || st.Mode&0o7777 != mode {
			t.Errorf("/ is %d:%d %o, want %d:%d %o", st.Uid, st.Gid, st.Mode&0o7777, uid, gid, mode)
		}
	}
	want(12, 34, 0o1751)
	if err := errors.Join(os.Chown(o.Target, 5, 6), os.Chmod(o.Target, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(o.Target, 0); err != nil {
		t.Fatal(err)
	}
	want(5, 6, 0o700) // what the container made of it stays
}

func TestMountVolatileAgain(t *testing.T) {
	needRoot(t)
	o := tree(t, t.TempDir(), 2)
	o.Volatile = true
	if err := o.Mount(); err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(info)) {
		if strings.Contains(line, o.Target+" ") && !strings.Contains(line, "volatile") {
			t.Errorf("not volatile: %s", line)
		}
	}
	write(t, filepath.Join(o.Target, "f"), "1")
	if err := unix.Unmount(o.Target, 0); err != nil {
		t.Fatal(err)
	}
	for _, o.Volatile = range []bool{true, false, true} {
		if err := o.Mount(); err != nil {
			t.Fatal(err)
		}
		wantFile(t, filepath.Join(o.Target, "f"), "1")
		if err := unix.Unmount(o.Target, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountErrors(t *testing.T) {
	needRoot(t)
	o := tree(t, t.TempDir(), 3)
	if err := os.RemoveAll(o.Lower[1]); err != nil {
		t.Fatal(err)
	}
	if err := o.Mount(); !errors.Is(err, ErrLayerMissing) || !strings.Contains(err.Error(), o.Lower[1]) {
		t.Errorf("missing layer: %v", err)
	}
	o = tree(t, t.TempDir(), 2)
	o.Work = o.Upper
	if err := o.Mount(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("one directory for upper and work: %v", err)
	}
	if err := unix.Unmount(o.Target, 0); err == nil {
		t.Error("something is mounted after an error")
	}
}

// TestMountInUserNamespace does it as an ordinary user would, as root of a user
// namespace of its own.
func TestMountInUserNamespace(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	o := tree(t, dir, 3)
	const base = 200000
	err := filepath.Walk(dir, func(p string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(p, base+7, base+8))
	})
	for p := dir; err == nil && p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		err = os.Chmod(p, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: base, Size: 1000}}
	for _, way := range []string{"new", "old"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), inUserNamespace+"="+dir, "SKIFF_TEST_WAY="+way)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: maps, GidMappings: maps,
			Credential: &syscall.Credential{Uid: 0, Gid: 0},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", way, err, out)
		}
		wantFile(t, filepath.Join(o.Upper, "new-"+way), "written")
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(o.Upper, "new-"+way), &st); err != nil || st.Uid != base {
			t.Errorf("%s: the file belongs to %d (%v)", way, st.Uid, err)
		}
	}
}

// beInUserNamespace is the other side of TestMountInUserNamespace.
func beInUserNamespace(dir string) error {
	o := Overlay{
		Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"), Target: filepath.Join(dir, "rootfs"),
		UserNS: true, Volatile: true,
	}
	for i := range 3 {
		o.Lower = append(o.Lower, filepath.Join(dir, fmt.Sprint("layer", i)))
	}
	if err := PrivateMountPoint(o.Target); err != nil {
		return err
	}
	mount := o.Mount
	if way := os.Getenv("SKIFF_TEST_WAY"); way == "old" {
		if err := o.prepare(); err != nil {
			return err
		}
		mount = o.mountOld
	}
	if err := mount(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(o.Target, "only0")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(o.Target, &st); err != nil || st.Uid != 7 || st.Gid != 8 {
		return fmt.Errorf("/ belongs to %d:%d (%v)", st.Uid, st.Gid, err)
	}
	return os.WriteFile(filepath.Join(o.Target, "new-"+os.Getenv("SKIFF_TEST_WAY")), []byte("written"), 0o644)
}

func TestWithLog(t *testing.T) {
	needRoot(t)
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	err = withLog(fs, unix.FsconfigSetString(fs, "no-such-option", "1"))
	if want := "invalid argument (Unknown parameter 'no-such-option')"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPrivateMountPoint(t *testing.T) {
	needRoot(t)
	base := t.TempDir()
	outer, inner := filepath.Join(base, "outer"), filepath.Join(base, "outer/inner")
	mkdir(t, outer)
	mount := func(path string) {
		t.Helper()
		if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
		if err := unix.Mount("", path, "", unix.MS_SHARED, ""); err != nil {
			t.Fatal(err)
		}
	}
	mount(outer)
	mkdir(t, inner)
	mount(inner)
	deep := filepath.Join(inner, "a/b")
	mkdir(t, deep)
	if err := os.Symlink(deep, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	if err := PrivateMountPoint(filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(info)) {
		f := strings.Fields(line)
		shared := strings.Contains(line, " shared:")
		if f[4] == outer && !shared {
			t.Errorf("the mount above was changed: %s", line)
		}
		if f[4] == inner && shared {
			t.Errorf("the mount itself is still shared: %s", line)
		}
	}
	if err := PrivateMountPoint(filepath.Join(base, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

func TestOlderThan(t *testing.T) {
	for _, c := range []struct {
		release string
		want    bool
	}{{"5.10.0-28-amd64", true}, {"5.11.0", false}, {"4.19.1", true}, {"6.1", false}, {"unknown", false}} {
		if got := olderThan(c.release, 5, 11); got != c.want {
			t.Errorf("olderThan(%q) = %v", c.release, got)
		}
	}
}

func BenchmarkMount(b *testing.B) {
	needRoot(b)
	for way, mount := range map[string]func(Overlay) error{"new": Overlay.mountNew, "old": Overlay.mountOld} {
		b.Run(way, func(b *testing.B) {
			o := tree(b, b.TempDir(), 5)
			for b.Loop() {
				if err := mount(o); err != nil {
					b.Fatal(err)
				}
				unix.Unmount(o.Target, 0)
			}
		})
	}
}

// BenchmarkUnmount is what the end of a container costs after it wrote 64 files.
func BenchmarkUnmount(b *testing.B) {
	needRoot(b)
	for _, volatile := range []bool{false, true} {
		b.Run(fmt.Sprintf("volatile=%v", volatile), func(b *testing.B) {
			o := tree(b, b.TempDir(), 3)
			o.Volatile = volatile
			for b.Loop() {
				b.StopTimer()
				if err := o.Mount(); err != nil {
					b.Fatal(err)
				}
				for i := range 64 {
					write(b, filepath.Join(o.Target, fmt.Sprint("f", i)), strings.Repeat("x", 16<<10))
				}
				b.StartTimer()
				unix.Unmount(o.Target, 0)
			}
		})
	}
}
