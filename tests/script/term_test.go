package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// dialog is a program on a terminal and what it has printed so far.
type dialog struct {
	tty *os.File // the master side

	mu   sync.Mutex
	text strings.Builder // guarded by mu
	seen int             // how much of text earlier steps have used
}

// cmdTerm runs a program on a terminal and takes the steps of a file, one a line:
//
//	expect PATTERN   wait until the output after the last match has it
//	raw              wait until the program has put the terminal into raw mode
//	send "TEXT"      type it, a Go string: "exit\n", "\x10\x11"
//	exit N           the program must end by itself with this status
//
// The output is the last stdout.
func cmdTerm(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: term STEPS PROGRAM ARGS…")
	}
	steps := ts.ReadFile(args[0])
	path, err := lookPath(args[1], ts.Getenv("PATH"))
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "ROOT", "RUNROOT", "TERM", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "XDG_RUNTIME_DIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
	ts.Check(err)
	d := &dialog{tty: tty}
	read := make(chan struct{})
	go d.read(read)
	err = d.play(steps, cmd)
	cmd.Process.Kill() // no effect on one that was waited for
	cmd.Wait()
	tty.Close()
	<-read
	fmt.Fprint(ts.Stdout(), d.text.String())
	if err != nil {
		ts.Fatalf("%v; the terminal shows:\n%s", err, d.text.String())
	}
}

func lookPath(name, path string) (string, error) {
	for dir := range strings.SplitSeq(path, ":") {
		file := dir + "/" + name
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// read collects what is printed until the terminal is closed.
func (d *dialog) read(done chan<- struct{}) {
	defer close(done)
	buf := make([]byte, 4096)
	for {
		n, err := d.tty.Read(buf)
		d.mu.Lock()
		d.text.Write(buf[:n])
		d.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (d *dialog) play(steps string, cmd *exec.Cmd) error {
	for line := range strings.Lines(steps) {
		line = strings.TrimSpace(line)
		verb, arg, _ := strings.Cut(line, " ")
		var err error
		switch verb {
		case "":
		case "expect":
			err = d.expect(arg)
		case "raw":
			err = await(func() bool { return isRaw(d.tty) })
		case "send":
			var text string
			if text, err = strconv.Unquote(arg); err == nil {
				_, err = d.tty.WriteString(text)
			}
		case "exit":
			err = ended(cmd, arg)
		default:
			err = errors.New("no such step")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

func (d *dialog) expect(pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	return await(func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		at := re.FindStringIndex(d.text.String()[d.seen:])
		if at != nil {
			d.seen += at[1]
		}
		return at != nil
	})
}

func isRaw(tty *os.File) bool {
	t, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	return err == nil && t.Lflag&unix.ICANON == 0
}

// await waits for a condition as long as patience lasts.
func await(holds func() bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("not within %s", patience)
}

// ended waits for the program's end and compares its status.
func ended(cmd *exec.Cmd, want string) error {
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != want {
		return fmt.Errorf("it ended with status %s", got)
	}
	return nil
}
