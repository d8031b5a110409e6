package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// asInit makes the test binary be the program itself.
const asInit = "SKIFF_TEST_INIT"

func TestMain(m *testing.M) {
	if os.Getenv(asInit) != "" {
		os.Unsetenv(asInit)
		main()
	}
	os.Exit(m.Run())
}

// command runs args under init, as pid 1 of a new pid namespace for root.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asInit+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	return cmd
}

func status(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		args []string
		want int
		says string
	}{
		{"the program's own", []string{"sh", "-c", "exit 7"}, 7, ""},
		{"success", []string{"true"}, 0, ""},
		{"a signal", []string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{"no such program", []string{"no-such-program"}, 127, `cannot run "no-such-program": no such file or directory`},
		{"no such path", []string{"/no/such"}, 127, `cannot run "/no/such": no such file or directory`},
		{"not executable", []string{plain}, 126, "permission denied"},
		{"nothing to run", nil, 125, "no program given"},
		{"nothing after the mark", []string{"--"}, 125, "no program given"},
		{"after the mark", []string{"--", "sh", "-c", "exit 8"}, 8, ""},
		{"output passes", []string{"echo", "hello  there"}, 0, "hello  there"},
	} {
		out, err := command(t, c.args...).CombinedOutput()
		if got := status(t, err); got != c.want || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: status %d, output %q; want %d, %q", c.what, got, out, c.want, c.says)
		}
	}
}

func TestForwardsSignals(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT} {
		cmd := command(t, "sh", "-c", "trap 'echo caught; exit 9' "+name+"; echo ready; while :; do sleep 0.02; done")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(out)
		if line, err := r.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%s: %q %v", name, line, err)
		}
		cmd.Process.Signal(sig)
		line, _ := r.ReadString('\n')
		if got := status(t, cmd.Wait()); line != "caught\n" || got != 9 {
			t.Errorf("%s: said %q, status %d", name, line, got)
		}
	}
}

func TestReapsOrphans(t *testing.T) {
	// The orphan's parent is the inner shell; when it is gone, init has it. The
	// program sees the orphan disappear only if init waits for it.
	script := `orphan=$(sh -c 'sleep 0.05 >/dev/null & echo $!')
		for i in $(seq 500); do [ -e /proc/$orphan ] || exit 0; sleep 0.01; done
		exit 1`
	cmd := command(t, "sh", "-c", script)
	cmd.SysProcAttr.Cloneflags = 0 // /proc is that of our own pid namespace
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the orphan was not reaped: %v %s", err, out)
	}
}

func TestTerminal(t *testing.T) {
	cmd := command(t, "sh", "-c", "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.02; done")
	tty, err := pty.Start(cmd) // a session of its own, with a controlling terminal
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	defer tty.Close()
	tty.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(tty)
	if line, err := r.ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := tty.Write([]byte{3}); err != nil { // control-C
		t.Fatal(err)
	}
	line, _ := r.ReadString('\n')
	if got := status(t, cmd.Wait()); !strings.Contains(line, "caught") || got != 4 {
		t.Errorf("said %q, status %d", line, got)
	}
}

func TestLookUp(t *testing.T) {
	dir := t.TempDir()
	for path, mode := range map[string]os.FileMode{"a/tool": 0o644, "b/tool": 0o755, "a/plain": 0o644} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a/folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := dir + "/none:" + dir + "/a:" + dir + "/b"
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"tool", dir + "/b/tool", nil},
		{"plain", "", syscall.EACCES},
		{"folder", "", syscall.ENOENT},
		{"", "", syscall.ENOENT},
		{"x/y", "x/y", nil},
	} {
		if got, err := lookUp(c.name, path); got != c.want || err != c.err {
			t.Errorf("lookUp(%q) = %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}
