package fault

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/tests/images"
	"skiff/tests/leaks"
)

// bench is a pair of roots in a network namespace of its own, with the test
// image loaded.
type bench struct {
	t     *testing.T
	skiff string
	top   string
	env   []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	b := &bench{t: t, skiff: os.Getenv("SKIFF")}
	if b.skiff == "" {
		b.skiff = "../../bin/skiff"
	}
	var err error
	if b.skiff, err = filepath.Abs(b.skiff); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.skiff); err != nil {
		t.Fatalf("no program to test: %v (run make build)", err)
	}
	t.Setenv("SKIFF", b.skiff) // for package leaks
	archive, err := images.Busybox()
	if err != nil {
		t.Fatal(err)
	}
	b.makeTop()
	b.ownNetwork()
	b.env = append(os.Environ(), "HOME="+b.top, "CONTAINERS_CONF="+os.DevNull)
	b.ok("load", "-q", "-i", archive)
	return b
}

// makeTop makes the directory of the roots, on a file system that can hold the
// upper directories of overlay mounts.
func (b *bench) makeTop() {
	top, err := os.MkdirTemp("/var/tmp", "skiff-f-")
	if err != nil {
		b.t.Fatal(err)
	}
	b.top = top
	var st unix.Statfs_t
	mounted := unix.Statfs(top, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
	if mounted {
		if err := unix.Mount("tmpfs", top, "tmpfs", 0, "mode=755"); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Cleanup(func() {
		leaks.Kill(top)
		if mounted {
			unix.Unmount(top, unix.MNT_DETACH)
		}
		os.RemoveAll(top)
	})
}

// ownNetwork moves this thread, and with it what it starts, into a new network
// namespace. The thread is not given back: it ends with the test.
func (b *bench) ownNetwork() {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
}

func (b *bench) roots() []string {
	return []string{"--root", b.top + "/data", "--runroot", b.top + "/run"}
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.skiff, append(b.roots(), args...)...)
	cmd.Env = b.env
	return cmd
}

// duration is how long a command takes until its container runs.
func (b *bench) duration(args []string) time.Duration {
	b.t.Helper()
	begin := time.Now()
	cmd := b.command(args...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	for b.ok("ps", "-q") == "" {
		if time.Since(begin) > 20*time.Second {
			b.t.Fatal("nothing runs")
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	b.ok("rm", "-af", "-t", "0")
	cmd.Wait()
	return took
}

// nothingLeft removes all containers and asserts that nothing is left.
func (b *bench) nothingLeft() {
	b.t.Helper()
	ids := leaks.Containers(b.top)
	b.ok("rm", "-af", "-t", "0")
	if out := b.ok("ps", "-aq"); out != "" {
		b.t.Errorf("ps after rm -af: %s", out)
	}
	for _, line := range leaks.Left(b.top, ids) {
		b.t.Errorf("left: %s", line)
	}
}
