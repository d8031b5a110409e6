// Init is the first process of a container started with --init, for machines
// that have no other small init: "init -- PROGRAM ARG…" runs the program, hands
// it every signal, reaps whatever is orphaned, and ends with its status.
//
// It is mounted into containers of any image, so it is linked statically and
// uses nothing but the kernel. Not here: anything that a real init does beyond
// that.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fail(125, "no program is given")
	}
	// Before the program starts: no signal may be lost in between.
	signals := make(chan os.Signal, 128)
	signal.Notify(signals)
	pid, code, err := start(args)
	if err != nil {
		fail(code, err.Error())
	}
	for s := range signals {
		sig, ok := s.(syscall.Signal)
		switch {
		case !ok || sig == unix.SIGURG: // Go's scheduler sends itself SIGURG
		case sig == unix.SIGCHLD:
			if code, ended := reap(pid); ended {
				os.Exit(code)
			}
		default:
			_ = unix.Kill(pid, sig) // it may have ended; then SIGCHLD is on its way
		}
	}
}

// start runs the program in a process group of its own, in the foreground of
// the terminal if there is one. code is the exit status that an error calls for.
func start(args []string) (pid, code int, err error) {
	path, err := exec.LookPath(args[0])
	if err == nil {
		attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}}
		if _, terr := unix.IoctlGetInt(0, unix.TIOCGPGRP); terr == nil {
			// A process in the background is stopped when it takes the foreground,
			// unless it ignores that.
			signal.Ignore(unix.SIGTTOU)
			attr.Sys.Foreground, attr.Sys.Ctty = true, 0
		}
		pid, err = syscall.ForkExec(path, args, attr)
		if err != nil {
			err = &exec.Error{Name: args[0], Err: err}
		}
	}
	switch {
	case err == nil:
		return pid, 0, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return 0, 127, err
	}
	return 0, 126, err
}

// reap collects all children that have ended and gives the program's status if
// it is among them.
func reap(program int) (code int, ended bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return code, ended
		}
		if pid == program && ws.Signaled() {
			code, ended = 128+int(ws.Signal()), true
		} else if pid == program && ws.Exited() {
			code, ended = ws.ExitStatus(), true
		}
	}
}

func fail(code int, why string) {
	fmt.Fprintln(os.Stderr, "init: "+why)
	os.Exit(code)
}
