package health

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"skiff/runtime/proctree"
	"skiff/runtime/wire"
	"skiff/state"
)

// cutMark follows output that was cut off, as in Docker.
const cutMark = "..."

// Program is a running command of a health check, a child of this process.
type Program interface {
	Pid() int
	// Wait reaps it and gives its exit status, see sandbox.Process.
	Wait() (int, error)
}

// Starter starts a command that wire.Health describes, with both streams at out.
type Starter func(command json.RawMessage, out *os.File) (Program, error)

// Run carries out one check: it starts the command, waits for its end or its time
// limit, and takes the result into the record. It gives the outcome, or none where
// the container ended meanwhile, which says nothing about its health.
func Run(o *wire.Check, start Starter) wire.Outcome {
	c := &o.Launch.Health.Config
	command, limit := o.Launch.Health.Check, c.Timeout
	if startup(c, load(container(o))) {
		command, limit = o.Launch.Health.Startup, c.Startup.Timeout
	}
	r := state.HealthResult{Start: time.Now().UTC()}
	r.ExitCode, r.Output = execute(c, Limit(limit), func(out *os.File) (Program, error) { return start(command, out) })
	r.End = time.Now().UTC()
	if Exiting(o.Pid) {
		return wire.Outcome{}
	}
	return Take(o, r)
}

// Limit is how long a check may take.
func Limit(timeout time.Duration) time.Duration { return cmp.Or(timeout, state.HealthTimeout) }

// LateText is Docker's.
func LateText(limit time.Duration) string {
	return fmt.Sprintf("Health check exceeded timeout (%v)", limit)
}

// FailedText says that there was no check.
func FailedText(why string) string { return "cannot run the health check: " + why }

// execute runs a command and gives its exit status and output.
func execute(c *state.Healthcheck, limit time.Duration, start func(*os.File) (Program, error)) (int, string) {
	in, out, err := os.Pipe()
	if err != nil {
		return -1, FailedText(err.Error())
	}
	output := &capture{max: outputSize(c)}
	defer in.Close()
	p, err := start(out)
	out.Close()
	if err != nil {
		return -1, FailedText(err.Error())
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(output, in)
	}()
	late := !ends(p.Pid(), limit)
	if late {
		proctree.Kill(p.Pid())
	}
	code, err := p.Wait()
	// What the command left behind may hold the pipe open for ever.
	in.SetReadDeadline(time.Unix(1, 0))
	<-read
	output.drain(in)
	text := output.String()
	switch {
	case late && text != "":
		return -1, LateText(limit) + ": " + text
	case late:
		return -1, LateText(limit)
	case err != nil:
		return -1, FailedText(err.Error())
	case output.cut && c.MaxLogSize == 0:
		text += cutMark
	}
	return code, text
}

// ends waits for the end of a child, which is not reaped, and says whether it came
// in time.
func ends(pid int, limit time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}()
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}

func outputSize(c *state.Healthcheck) int {
	switch n := c.MaxLogSize; {
	case n == 0:
		return state.HealthOutputSize
	case n < 0:
		return state.HealthOutputLimit
	default:
		return min(n, state.HealthOutputLimit)
	}
}

// capture is the beginning of a program's output.
type capture struct {
	max  int
	text []byte
	cut  bool
}

func (c *capture) Write(p []byte) (int, error) {
	n := min(len(p), c.max-len(c.text))
	c.text = append(c.text, p[:n]...)
	c.cut = c.cut || n < len(p)
	return len(p), nil
}

// drainMax is more than a pipe holds.
const drainMax = 1 << 20

// drain takes what is in the pipe and waits for nothing.
func (c *capture) drain(in *os.File) {
	raw, err := in.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	raw.Control(func(fd uintptr) {
		for got := 0; got < drainMax; {
			n, err := unix.Read(int(fd), buf) // os.Pipe's do not block
			if err == unix.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				return
			}
			c.Write(buf[:n])
			got += n
		}
	})
}

// String is the output as text. What a cut left of a character is dropped.
func (c *capture) String() string {
	text := c.text
	for i := 0; c.cut && i < utf8.UTFMax && len(text) > 0; i++ {
		if r, n := utf8.DecodeLastRune(text); r != utf8.RuneError || n != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return string(text)
}
