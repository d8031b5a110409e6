package monitor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"skiff/runtime/health"
	"skiff/runtime/monitor"
	"skiff/runtime/wire"
	"skiff/state"
)

// fakeName is the argument by which this test's program knows that it is to
// play skiff.
const fakeName = "play-skiff"

// fake says how the fake start stage behaves. It is in fake.json in the
// container's data directory.
type fake struct {
	Script   string         `json:"script"`   // for sh -c
	Failure  *wire.Failure  `json:"failure"`  // instead of a report
	Crash    string         `json:"crash"`    // "early", "reported", "late" (after Go)
	Teardown state.Teardown `json:"teardown"` // to report
	OOMFiles []string       `json:"oomFiles"`
	Reserve  bool           `json:"reserve"`
	Many     int            `json:"many"` // further descriptors
	Warnings []string       `json:"warnings"`
	// Names has the monitor answer at 127.0.0.11 for the network "net". Where is in the
	// status, as the address.
	Names bool `json:"names"`
	// Watch is where monitors agree on who restores rules. The address of the socket
	// that the monitor gets is in the file "news".
	Watch string `json:"watch"`
	// Reload is a script that restores them.
	Reload string `json:"reload"`
}

// TestMain lets the test's program also be the monitor and the fake skiff.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "skiff-monitor" {
		os.Exit(monitor.Main())
	}
	if len(os.Args) == 5 && os.Args[1] == fakeName {
		if err := playSkiff(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "fake skiff:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func playSkiff(dir, verb string) error {
	var f fake
	data, err := os.ReadFile(filepath.Join(dir, "fake.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	switch verb {
	case "start-stage":
		return f.start(dir)
	case "exec-stage":
		return f.exec()
	case "health-stage":
		return f.check()
	case "reload-networks":
		if err := appendLine(filepath.Join(dir, "reloads"), "reload"); err != nil {
			return err
		}
		return exec.Command("/bin/sh", "-c", f.Reload).Run()
	case "teardown":
		return appendLine(filepath.Join(dir, "teardowns"), "teardown")
	}
	return fmt.Errorf("unknown command %q", verb)
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// start plays the start stage: the program waits for the gate to open.
func (f *fake) start(dir string) error {
	k, _, given, err := wire.ReceiveFDs(3)
	if err != nil || k != wire.KindBegin {
		return nil // not to be started after all
	}
	for i, fd := range given[:3] {
		if err := unix.Dup3(fd, i, 0); err != nil {
			return err
		}
	}
	console := -1
	if len(given) > 4 {
		console = given[4]
	}
	if err := appendLine(filepath.Join(dir, "starts"), "start"); err != nil {
		return err
	}
	if f.Failure != nil {
		return wire.SendFDs(3, wire.KindFailed, f.Failure, nil)
	}
	if f.Crash == "early" {
		panic("crashed early")
	}
	var gate [2]int
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	pid, err := f.spawn("read x <&9; exec 9<&-; "+f.Script, gate[0], console)
	if err != nil {
		return err
	}
	unix.Close(gate[0])
	report := wire.Stage{Version: wire.Version, Pid: pid, PidStart: 1, Teardown: f.Teardown, OOMFiles: f.OOMFiles, Warnings: f.Warnings}
	var fds []int
	if f.Watch != "" {
		fd, err := newsSocket(filepath.Join(dir, "news"))
		if err != nil {
			return err
		}
		fds, report.Watch = append(fds, fd), &wire.Watch{Sockets: 1, Dir: f.Watch}
	}
	for range f.Many {
		fd, err := unix.MemfdCreate("one of many", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	if f.Reserve {
		fd, err := unix.MemfdCreate("reserved", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	if f.Names {
		sockets, where, err := resolverSockets()
		if err != nil {
			return err
		}
		fds = append(fds, sockets...)
		report.Network = state.NetworkStatus{Resolver: true, Closed: true,
			Endpoints: []state.EndpointStatus{{Network: "net", Names: []string{"box"}, IP: where}}}
	}
	if err := wire.SendAll(3, wire.KindStage, report, fds); err != nil {
		return err
	}
	if f.Crash == "reported" {
		unix.Kill(pid, unix.SIGKILL)
		os.Exit(9)
	}
	k, _, _, err = wire.ReceiveFDs(3)
	if err != nil || k != wire.KindGo {
		unix.Kill(pid, unix.SIGKILL)
		return wire.SendFDs(3, wire.KindFailed, wire.Failure{Message: "told to undo", Code: 125}, nil)
	}
	if f.Crash == "late" {
		unix.Kill(pid, unix.SIGKILL)
		os.Exit(9)
	}
	_, err = unix.Write(gate[1], []byte("\n"))
	return err
}

// spawn starts sh with the streams that the monitor gave, and gate as
// descriptor 9.
func (f *fake) spawn(script string, gate, console int) (int, error) {
	std := []uintptr{0, 1, 2}
	sys := &syscall.SysProcAttr{Setsid: true}
	var st unix.Stat_t
	if unix.Fstat(console, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		master, slave, err := pty.Open()
		if err != nil {
			return 0, err
		}
		if err := unix.Sendmsg(console, []byte("pty"), unix.UnixRights(int(master.Fd())), nil, 0); err != nil {
			return 0, err
		}
		fd := slave.Fd()
		std, sys.Setctty = []uintptr{fd, fd, fd}, true
	}
	files := append(std, ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), uintptr(gate))
	if gate < 0 {
		files = std
	}
	return syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: files, Sys: sys,
	})
}

// exec plays the exec stage; the spec is a script.
func (f *fake) exec() error {
	k, payload, _, err := wire.ReceiveFDs(3)
	if err != nil || k != wire.KindRequest {
		return fmt.Errorf("no request: %v", err)
	}
	var e wire.Exec
	var script string
	if err := json.Unmarshal(payload, &e); err != nil {
		return err
	}
	if err := json.Unmarshal(e.Spec, &script); err != nil {
		return err
	}
	if strings.HasPrefix(script, "fail ") {
		return wire.SendFDs(3, wire.KindFailed, wire.Failure{Message: script[5:], Code: 127}, nil)
	}
	pid, err := f.spawn(script, -1, 4)
	if err != nil {
		return err
	}
	return wire.SendFDs(3, wire.KindStage, wire.Stage{Version: 1, Pid: pid, PidStart: 1}, nil)
}

// check plays the health stage; the command is a script.
func (f *fake) check() error {
	o, err := wire.ReadCheck(3)
	if err != nil {
		return err
	}
	os.Exit(health.Run(o, func(command json.RawMessage, out *os.File) (health.Program, error) {
		var script string
		if err := json.Unmarshal(command, &script); err != nil {
			return nil, err
		}
		if text, ok := strings.CutPrefix(script, "fail "); ok {
			return nil, errors.New(text)
		}
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return running{cmd}, cmd.Start()
	}).ExitStatus())
	return nil
}

// running is a command as a health.Program.
type running struct{ cmd *exec.Cmd }

func (r running) Pid() int { return r.cmd.Process.Pid }

func (r running) Wait() (int, error) {
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode(), nil
}
