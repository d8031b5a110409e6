package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
)

func TestMain(m *testing.M) {
	if sandbox.IsInit() {
		sandbox.Init()
	}
	os.Exit(m.Run())
}

// box is a container under test.
type box struct {
	t     *testing.T
	cfg   *state.Config
	in    spec.Inputs
	opts  sandbox.Options
	stdin *os.File
}

// newBox describes a container that runs args in a busybox root file system.
func newBox(t *testing.T, args ...string) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	id := fmt.Sprintf("%064x", time.Now().UnixNano())
	root := t.TempDir()
	facts := hostfacts.New().Facts()
	b := &box{t: t, cfg: config(id, args), in: spec.Inputs{Host: facts, Rootfs: filepath.Join(root, "rootfs")}}
	b.cfg.CgroupParent = "/skiff-test-" + id[56:]
	// With systemd both managers can be tried: SKIFF_TEST_CGROUPFS=1 takes the other.
	systemd := facts.Systemd && os.Getenv("SKIFF_TEST_CGROUPFS") == ""
	if systemd {
		b.cfg.CgroupManager, b.cfg.CgroupParent = "systemd", ""
	}
	b.opts = sandbox.Options{ID: id, StateRoot: filepath.Join(root, "s"), SystemdCgroup: systemd}
	// The whole suite can be run with another runtime.
	b.opts.Runtime = os.Getenv("SKIFF_TEST_RUNTIME")
	makeRootfs(t, b.in.Rootfs)
	t.Cleanup(func() {
		if left := cgroupDirs(t, id); len(left) > 0 {
			t.Errorf("cgroups are left: %v", left)
		}
		for _, dir := range cgroupDirs(t, strings.TrimPrefix(b.cfg.CgroupParent, "/")) {
			os.Remove(dir)
		}
		if entries, _ := os.ReadDir(b.opts.StateRoot); len(entries) > 0 {
			t.Errorf("state is left: %v", entries)
		}
	})
	return b
}

func config(id string, args []string) *state.Config {
	caps, _ := spec.Capabilities(nil, nil, false)
	return &state.Config{
		Version: 1, ID: id, Name: "t",
		Process:       state.Process{Cmd: args, Cwd: "/"},
		Network:       state.Network{Mode: "none"},
		Security:      state.Security{Capabilities: caps},
		CgroupManager: "cgroupfs",
	}
}

func makeRootfs(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"bin", "etc", "proc", "sys", "dev", "tmp", "root", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Join(dir, "tmp"), 0o1777)
	os.Chmod(filepath.Dir(dir), 0o755)
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs a static busybox: ", err)
	}
	write(t, filepath.Join(dir, "bin/busybox"), string(busybox), 0o755)
	for _, name := range []string{
		"sh", "true", "false", "cat", "echo", "id", "ls", "sleep", "env", "pwd", "hostname", "mount", "unshare",
		"ps", "kill", "dd", "grep", "touch", "mkdir", "tty", "stty", "test", "head", "wc", "readlink", "awk", "chown", "ping", "mknod",
	} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nana:x:1000:1001:Ana:/home/ana:/bin/sh\n", 0o644)
	write(t, filepath.Join(dir, "etc/group"), "root:x:0:\nstaff:x:1001:\nextra:x:1500:ana\n", 0o644)
	write(t, filepath.Join(dir, "etc/plain"), "no program\n", 0o644)
	write(t, filepath.Join(dir, "bin/garbage"), "\x00\x01\x02", 0o755)
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// cgroupDirs finds directories of that name, or with it in the name, in all
// cgroup hierarchies.
func cgroupDirs(t *testing.T, name string) []string {
	t.Helper()
	if name == "" {
		return nil
	}
	out, err := exec.Command("find", "/sys/fs/cgroup", "-type", "d", "-name", "*"+name+"*").Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) { // directories come and go
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	return dirs
}

// create makes the sandbox; its destruction is certain.
func (b *box) create() (*sandbox.Sandbox, error) {
	b.t.Helper()
	s, err := spec.Build(b.cfg, b.in)
	if err != nil {
		b.t.Fatalf("Build: %v", err)
	}
	b.opts.Spec = s
	sb, err := sandbox.Create(b.opts)
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() {
		if err := sb.Destroy(); err != nil {
			b.t.Errorf("Destroy: %v", err)
		}
	})
	return sb, nil
}

// start makes the sandbox and starts it.
func (b *box) start() *sandbox.Sandbox {
	b.t.Helper()
	sb, err := b.create()
	if err != nil {
		b.t.Fatalf("Create: %v", err)
	}
	if err := sb.Start(); err != nil {
		b.t.Fatalf("Start: %v", err)
	}
	return sb
}

// run runs the container to its end and gives what it wrote and its status.
func (b *box) run() (string, int) {
	b.t.Helper()
	out := newSink(b.t)
	b.opts.Stdin, b.opts.Stdout, b.opts.Stderr = b.stdin, out.w, out.w
	sb := b.start()
	code, err := sb.Wait()
	if err != nil {
		b.t.Fatalf("Wait: %v", err)
	}
	return out.text(), code
}

// want fails the test unless the container wrote exactly that and ended with 0.
func (b *box) want(want string) {
	b.t.Helper()
	if got, code := b.run(); strings.TrimSpace(got) != want || code != 0 {
		b.t.Errorf("%q: got %q, status %d, want %q", b.cfg.Process.Cmd, got, code, want)
	}
}

// sink collects what is written to w.
type sink struct {
	w    *os.File
	done chan struct{}
	buf  bytes.Buffer
}

func newSink(t *testing.T) *sink {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{w: w, done: make(chan struct{})}
	go func() { io.Copy(&s.buf, r); r.Close(); close(s.done) }()
	t.Cleanup(func() { w.Close() })
	return s
}

func (s *sink) text() string {
	s.w.Close()
	<-s.done
	return s.buf.String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen within 10 s: %s", what)
		}
	}
}
