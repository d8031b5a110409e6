package sandbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// buildInit builds runtime/init/main.
func buildInit(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	file := filepath.Join(t.TempDir(), "init")
	cmd := exec.Command("go", "build", "-o", file, "skiff/runtime/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func TestInitReapsForwardsAndEndsWithTheProgram(t *testing.T) {
	file := buildInit(t)
	withInit := func(args ...string) *box {
		b := newBox(t, args...)
		b.cfg.Process.Init, b.in.InitPath = true, file
		return b
	}
	// The inner shell leaves an orphan that ends at once.
	out, code := withInit("sh", "-c", "echo $$ > /tmp/pid; (sleep 0.01 &) ; sleep 0.2; ps; exit 5").run()
	if code != 5 || !strings.Contains(out, "/dev/init -- sh") || strings.Contains(out, "Z ") || strings.Contains(out, "[sleep]") {
		t.Errorf("status %d, processes:\n%s", code, out)
	}
	for program, want := range map[string]int{"nonsense": 127, "/etc/plain": 126} {
		if out, code := withInit(program).run(); code != want {
			t.Errorf("%s: status %d, want %d: %s", program, code, want, out)
		}
	}
	b := withInit("sh", "-c", "trap 'exit 33' TERM; echo ready; while :; do sleep 0.01; done")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.opts.Stdout = w
	sb := b.start()
	w.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := sb.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := sb.Wait(); code != 33 || err != nil {
		t.Errorf("after SIGTERM: status %d, %v, want 33", code, err)
	}
}

func TestInitKeepsTheTerminal(t *testing.T) {
	b := newBox(t, "sh", "-c", "read line; echo got $line")
	b.cfg.Process.Init, b.cfg.Process.Terminal, b.in.InitPath = true, true, buildInit(t)
	ours, theirs := socketPair(t)
	b.opts.ConsoleSocket = theirs
	sb := b.start()
	pty := receivePty(t, ours)
	pty.WriteString("hello\n")
	if text := readPty(pty); !strings.Contains(text, "got hello") {
		t.Errorf("got %q", text)
	}
	sb.Wait()
}
