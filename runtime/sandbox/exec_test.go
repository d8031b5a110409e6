package sandbox_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
)

// execIn runs a program in the container and gives its output and status.
func execIn(t *testing.T, b *box, o sandbox.ExecOptions) (string, int, error) {
	t.Helper()
	sb, err := sandbox.Load(b.opts.StateRoot, b.cfg.ID)
	if err != nil {
		t.Fatal(err)
	}
	out := newSink(t)
	o.Stdout, o.Stderr = out.w, out.w
	if o.Env == nil {
		o.Env = spec.Environment(nil, "", "/", false)
	}
	p, err := sb.Exec(o)
	if err != nil {
		return "", -1, err
	}
	code, err := p.Wait()
	return out.text(), code, err
}

func TestExecRunsInTheContainer(t *testing.T) {
	b := newBox(t, "sleep", "1000")
	sb := b.start()
	out, code, err := execIn(t, b, sandbox.ExecOptions{Args: []string{"sh", "-c", "ps | grep -c 'sleep 1000'; id; pwd; grep -E 'Seccomp:|CapEff' /proc/self/status; exit 9"}, Cwd: "/etc", User: spec.User{UID: 1000, GID: 1001}})
	if err != nil || code != 9 {
		t.Errorf("status %d, %v, want 9", code, err)
	}
	for _, want := range []string{"uid=1000(ana) gid=1001(staff)", "/etc\n", "Seccomp:\t2", "CapEff:\t0000000000000000"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want it to contain %q", out, want)
		}
	}
	for program, kind := range map[string]error{"nonsense": sandbox.ErrNotFound, "/etc/plain": sandbox.ErrNotExecutable} {
		if _, _, err := execIn(t, b, sandbox.ExecOptions{Args: []string{program}}); !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", program, err, kind)
		}
	}
	sb.Signal(9)
	sb.Wait()
	if _, _, err := execIn(t, b, sandbox.ExecOptions{Args: []string{"true"}}); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("exec in an ended container: got %v, want %v", err, sandbox.ErrNotRunning)
	}
}

func TestExecJoinsTheCgroup(t *testing.T) {
	b := newBox(t, "sleep", "1000")
	sb := b.start()
	r, w, _ := os.Pipe()
	defer w.Close()
	p, err := sb.Exec(sandbox.ExecOptions{Args: []string{"cat"}, Env: []string{"PATH=/bin"}, Stdin: r})
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	pids, err := sb.Pids()
	if err != nil || len(pids) != 2 {
		t.Errorf("processes %v, %v, want two", pids, err)
	}
	w.Close()
	if code, err := p.Wait(); code != 0 || err != nil {
		t.Errorf("cat ended with %d, %v", code, err)
	}
}

func TestPauseAndResume(t *testing.T) {
	b := newBox(t, "sh", "-c", "while :; do echo x; sleep 0.01; done")
	r, w, _ := os.Pipe()
	b.opts.Stdout = w
	sb := b.start()
	w.Close()
	buf := make([]byte, 100)
	if _, err := r.Read(buf); err != nil {
		t.Fatal(err)
	}
	if err := sb.Pause(); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		if _, err := r.Read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
			break // what had been written is read, and nothing follows
		} else if err != nil {
			t.Fatal(err)
		}
		r.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	}
	if err := sb.Resume(); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.Read(buf); err != nil {
		t.Errorf("a resumed container writes nothing: %v", err)
	}
	if err := sb.Pause(); err != nil {
		t.Fatal(err)
	}
	// The clean-up has to end a paused container.
}

func TestTerminalComesThroughTheSocket(t *testing.T) {
	b := newBox(t, "sh", "-c", "tty; stty size; read line; echo got $line")
	b.cfg.Process.Terminal = true
	ours, theirs := socketPair(t)
	b.opts.ConsoleSocket, b.opts.Rows, b.opts.Cols = theirs, 33, 99
	sb := b.start()
	pty := receivePty(t, ours)
	pty.WriteString("hello\n")
	text := readPty(pty)
	sb.Wait()
	if want := "/dev/console\r\n33 99\r\nhello\r\ngot hello\r\n"; text != want && !strings.Contains(text, "33 99\r\n") {
		t.Errorf("got %q, want %q", text, want)
	}
	if !strings.Contains(text, "got hello") {
		t.Errorf("got %q, want the line that was typed", text)
	}
}

func TestExecWithTerminal(t *testing.T) {
	b := newBox(t, "sleep", "1000")
	sb := b.start()
	ours, theirs := socketPair(t)
	p, err := sb.Exec(sandbox.ExecOptions{Args: []string{"stty", "size"}, Env: []string{"PATH=/bin"}, ConsoleSocket: theirs, Rows: 11, Cols: 22})
	if err != nil {
		t.Fatal(err)
	}
	text := readPty(receivePty(t, ours))
	if code, err := p.Wait(); code != 0 || err != nil || text != "11 22\r\n" {
		t.Errorf("got %q, status %d, %v", text, code, err)
	}
}

func socketPair(t *testing.T) (ours *net.UnixConn, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "ours")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { c.Close(); theirs.Close() })
	return c.(*net.UnixConn), theirs
}

func receivePty(t *testing.T, c *net.UnixConn) *os.File {
	t.Helper()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 100), oob)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		t.Fatalf("no descriptor came: %v", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("no descriptor came: %v", err)
	}
	f := os.NewFile(uintptr(fds[0]), "pty")
	t.Cleanup(func() { f.Close() })
	return f
}

// readPty reads until the other side is closed, which a terminal says by EIO.
func readPty(f *os.File) string {
	b, _ := io.ReadAll(f)
	return string(b)
}
