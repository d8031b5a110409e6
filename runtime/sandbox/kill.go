package sandbox

import (
	"errors"
	"os"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"skiff/state/process"
)

// endTimeout bounds how long killed processes may take to go away. One in
// uninterruptible sleep can take any time.
const endTimeout = 10 * time.Second

// end kills everything in the sandbox and waits until it is gone. A first
// process that is the caller's child is reaped.
func (s *Sandbox) end() error {
	if s.runs() == nil {
		err := s.kill()
		if err != nil && !errors.Is(err, libcontainer.ErrNotRunning) && !errors.Is(err, ErrNotRunning) {
			return err
		}
		if err := s.gone(); err != nil {
			return err
		}
	}
	return s.killRest()
}

// kill kills all of the sandbox where it has cgroups of its own, and else its
// first process: whoever else is in the cgroup is none of its.
func (s *Sandbox) kill() error {
	if len(s.Cgroups()) > 0 {
		return s.signal(unix.SIGKILL)
	}
	err := process.Signal(s.pid, s.start, unix.SIGKILL)
	if errors.Is(err, process.ErrGone) {
		return nil
	}
	return err
}

// gone waits for the end of the first process through a pidfd.
func (s *Sandbox) gone() error {
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil || s.runs() != nil {
		if err == nil {
			unix.Close(fd)
		}
		return nil // gone, or another process by that number
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(endTimeout)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n > 0 {
			break
		}
	}
	if s.process != nil {
		s.process.Wait() // only to reap it; how it ended is known
	}
	return nil
}

// killRest ends processes that outlived the first one: there are some where the
// pid namespace is shared, and after an exec.
func (s *Sandbox) killRest() error {
	if len(s.Cgroups()) == 0 {
		return nil
	}
	deadline := time.Now().Add(endTimeout)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		pids, err := s.members()
		if err != nil || len(pids) == 0 {
			return nil // no cgroup, no processes
		}
		if time.Now().After(deadline) {
			return os.ErrDeadlineExceeded
		}
		for _, pid := range pids {
			s.killMember(pid)
		}
		time.Sleep(wait)
	}
}

// killMember kills the process if it is still in the sandbox's cgroup once a
// pidfd holds it, so that a number used again hits nobody else.
func (s *Sandbox) killMember(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	pids, err := s.members()
	if err != nil {
		return
	}
	for _, p := range pids {
		if p == pid {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it may have just ended
		}
	}
}
