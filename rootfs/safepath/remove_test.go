package safepath

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

// asUser makes the test binary remove a tree as an ordinary user.
const asUser = "SKIFF_TEST_REMOVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(asUser); path != "" {
		if err := RemoveAll(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestRemoveAllDeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6000 { // far more than descriptors, and than PATH_MAX
		if i%100 == 0 {
			unix.Mkdirat(fd, ".removed-1", 0)
			unix.Symlinkat("..", fd, "link")
		}
		if err := unix.Mkdirat(fd, "d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, "d", unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	if err := RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("still there")
	}
}

func TestRemoveAllWide(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wide")
	for i := range 3000 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveAllMounted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	base := t.TempDir()
	dir, other := filepath.Join(base, "tree"), filepath.Join(base, "other")
	for _, d := range []string{dir + "/tmpfs", dir + "/bind", dir + "/plain", other} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, other+"/kept", "1")
	if err := unix.Mount("tmpfs", dir+"/tmpfs", "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir+"/tmpfs", unix.MNT_DETACH)
	if err := unix.Mount(other, dir+"/bind", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir+"/bind", unix.MNT_DETACH)
	write(t, dir+"/tmpfs/kept", "1")
	err := RemoveAll(dir)
	if err == nil || strings.Count(err.Error(), "something is mounted there") != 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error: %v", err)
	}
	for _, p := range []string{other + "/kept", dir + "/tmpfs/kept"} {
		if _, err := os.Lstat(p); err != nil {
			t.Error("removed what is mounted")
		}
	}
	if _, err := os.Lstat(dir + "/plain"); err == nil {
		t.Error("the rest was left")
	}
	for _, name := range []string{"tmpfs", "bind"} {
		d, _ := unix.Open(dir, unix.O_PATH, 0)
		if fd, err := openHereOld(d, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW); !errors.Is(err, unix.EXDEV) {
			t.Errorf("without openat2 %s gives %d, %v", name, fd, err)
		}
		unix.Close(d)
	}
}

func TestRemoveAllImmutable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.MkdirAll(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		write(t, fmt.Sprint(dir, "/sub/fixed", i), "1")
	}
	write(t, dir+"/free", "1")
	const immutable = 0x10 // FS_IMMUTABLE_FL, linux/fs.h
	change := func(flags int) error {
		files, _ := filepath.Glob(dir + "/sub/fixed*")
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
			f.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := change(immutable); err != nil {
		t.Skipf("no immutable files here: %v", err)
	}
	defer change(0)
	err := RemoveAll(dir)
	if err == nil || strings.Count(err.Error(), "it is immutable (chattr -i -a)") != maxReported || !strings.HasSuffix(err.Error(), "and 3 more") {
		t.Errorf("error: %v", err)
	}
	if _, err := os.Lstat(dir + "/free"); err == nil {
		t.Error("the rest was left")
	}
}

func TestRemoveAllWithoutRights(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "tree")
	for _, d := range []string{"none/in/side", "read/in"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, d, "file"), "1")
	}
	uid := os.Geteuid()
	if uid == 0 {
		uid = 54321
	}
	err := filepath.Walk(base, func(p string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(p, uid, uid))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"none/in/side", "none/in", "none"} {
		os.Chmod(filepath.Join(dir, d), 0)
	}
	os.Chmod(dir+"/read/in", 0o500)
	// The user has to reach the tree and the test binary.
	for p := base; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asUser+"="+dir)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("still there")
	}
}
