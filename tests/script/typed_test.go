package script

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdTyped is `[!] typed FILE PROGRAM ARGS…`: it runs the program on a terminal
// of its own and types the file's bytes once the program has made the terminal
// raw, as a person does who sees the prompt. What the terminal shows is stdout.
// testscript's ttyin types before the program is there, when the terminal still
// takes control characters for itself.
func cmdTyped(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] typed FILE PROGRAM ARGS…")
	}
	keys := ts.ReadFile(args[0])
	path := args[1]
	if path == "skiff" {
		path = ts.Getenv("TOP") + "/bin/skiff"
	}
	cmd := exec.Command(path, args[2:]...)
	for _, name := range []string{"PATH", "HOME", "ROOT", "RUNROOT", "TERM", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "XDG_RUNTIME_DIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Dir = ts.MkAbs(".")
	master, err := pty.Start(cmd)
	ts.Check(err)
	defer master.Close()
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&shown, master) // ends with EIO when nobody has the terminal open
	}()
	left := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	rawErr := untilRaw(master)
	if rawErr == nil {
		_, rawErr = master.WriteString(keys)
	}
	err = cmd.Wait()
	inTime := left.Stop()
	<-read
	ts.Stdout().Write(bytes.ReplaceAll(shown.Bytes(), []byte("\r\n"), []byte("\n")))
	switch {
	case rawErr != nil:
		ts.Fatalf("%v", rawErr)
	case !inTime:
		ts.Fatalf("%s does not end within %s", strings.Join(args[1:], " "), patience)
	case (err != nil) != neg:
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
}

// untilRaw waits until the terminal hands every byte on as it is.
func untilRaw(master *os.File) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		t, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
		if errors.Is(err, syscall.EIO) {
			continue
		}
		if err != nil {
			return err
		}
		if t.Lflag&unix.ICANON == 0 {
			return nil
		}
	}
	return errors.New("the program did not make its terminal raw")
}
