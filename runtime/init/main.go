// Command init is the first process of a container that was made with --init.
// It runs the container's program as its child, passes signals on to it, reaps
// what loses its parent, and ends with the program's status.
//
// It is mounted into containers of any image: it needs no file of theirs, and
// it is linked from as little as possible, as it lives as long as they do.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit statuses of the shell, when the program cannot be run.
const (
	statusUsage         = 125
	statusNotExecutable = 126
	statusNotFound      = 127
	// statusSignal plus a signal's number tells that the signal ended the program.
	statusSignal = 128
)

func main() {
	debug.SetGCPercent(-1) // it makes no garbage
	argv := os.Args[1:]
	if len(argv) > 0 && argv[0] == "--" { // as other inits take it
		argv = argv[1:]
	}
	if len(argv) == 0 {
		fail(statusUsage, "skiff-init: no program given\n")
	}
	if os.Getpid() != 1 {
		// In another's pid namespace orphans come to us only if we ask for them.
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	child, err := start(argv)
	if err != nil {
		status := statusNotExecutable
		if err == syscall.ENOENT {
			status = statusNotFound
		}
		fail(status, "skiff-init: cannot run \""+argv[0]+"\": "+err.Error()+"\n")
	}
	go child.forward(signals)
	os.Exit(reap(child.pid))
}

func fail(status int, text string) {
	os.Stderr.WriteString(text)
	os.Exit(status)
}

type program struct{ pid, pidfd int }

// start runs the program in a process group of its own and, if there is a
// terminal, puts the group in front: the terminal's signals are for it.
func start(argv []string) (program, error) {
	path, err := lookUp(argv[0], os.Getenv("PATH"))
	if err != nil {
		return program{}, err
	}
	p := program{pidfd: -1}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{
		Setpgid: true, PidFD: &p.pidfd,
	}}
	if tty := terminal(); tty >= 0 {
		attr.Sys.Foreground, attr.Sys.Ctty = true, tty
	}
	p.pid, err = syscall.ForkExec(path, argv, attr)
	return p, err
}

// terminal is a standard stream that is our controlling terminal, or -1.
func terminal() int {
	for fd := range 3 {
		// Only the controlling terminal of the calling session answers.
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return fd
		}
	}
	return -1
}

// forward passes signals on. SIGCHLD is about our children, and SIGURG is what
// the Go runtime sends to itself.
func (p program) forward(signals <-chan os.Signal) {
	for s := range signals {
		sig, ok := s.(syscall.Signal)
		if !ok || sig == syscall.SIGCHLD || sig == syscall.SIGURG {
			continue
		}
		if p.pidfd < 0 || unix.PidfdSendSignal(p.pidfd, sig, nil, 0) == unix.ENOSYS {
			// Without pidfds (before Linux 5.2) the number is good until reap ends,
			// and we end with it.
			unix.Kill(p.pid, sig)
		}
	}
}

// reap waits for children until the program has ended, and gives its status.
func reap(pid int) int {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return statusUsage
		case got == pid && ws.Signaled():
			return statusSignal + int(ws.Signal())
		case got == pid:
			return ws.ExitStatus()
		}
	}
}

// lookUp finds the program as execvp(3) does.
func lookUp(name, path string) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	for i := range len(name) {
		if name[i] == '/' {
			return name, nil
		}
	}
	var found error = syscall.ENOENT
	for start := 0; start <= len(path); {
		end := start
		for end < len(path) && path[end] != ':' {
			end++
		}
		file := path[start:end] + "/" + name
		if start == end {
			file = "./" + name
		}
		var st unix.Stat_t
		if err := unix.Stat(file, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			if unix.Access(file, unix.X_OK) == nil {
				return file, nil
			}
			found = syscall.EACCES
		}
		start = end + 1
	}
	return "", found
}
