package rootless

import "C" // enter.c

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// enterVar tells enter.c what to do: NAMESPACE:REPORT:PROGRAM, two descriptors and
// a path.
const enterVar = "_SKIFF_ENTER"

// enter starts argv in a user namespace that another Start has made, and in a mount
// namespace of its own: it is root there from the beginning, as with Start.
func enter(ns *os.File, argv, env []string, files []*os.File, opts Options) (*Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	pidfd := -1
	n := len(files)
	attr := &os.ProcAttr{
		Dir:   opts.Dir,
		Env:   append(env, fmt.Sprintf("%s=%d:%d:%s", enterVar, n, n+1, argv[0])),
		Files: append(append(make([]*os.File, 0, n+2), files...), ns, w),
		Sys:   &syscall.SysProcAttr{Setsid: opts.Setsid, PidFD: &pidfd},
	}
	proc, err := os.StartProcess("/proc/self/exe", argv, attr)
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s in a user namespace: %w", argv[0], err)
	}
	p := &Process{Process: proc}
	failed := make([]byte, 1)
	if got, _ := r.Read(failed); got > 0 {
		proc.Kill()
		proc.Wait()
		if pidfd >= 0 {
			unix.Close(pidfd)
		}
		return nil, fmt.Errorf("cannot start %s in the user namespace of another container: %w", argv[0], syscall.Errno(failed[0]))
	}
	if pidfd < 0 {
		if pidfd, err = unix.PidfdOpen(proc.Pid, 0); err != nil { // our child, not yet waited for
			proc.Kill()
			proc.Wait()
			return nil, err
		}
	}
	p.PidFD = os.NewFile(uintptr(pidfd), "pidfd")
	return p, nil
}

// OfUser gives the user namespace that Start made for the process which is in the
// namespace f, or in one below: the one whose parent is the caller's own. f is
// closed, and is what comes back where it is that one.
func OfUser(f *os.File) (*os.File, error) {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &own); err != nil {
		f.Close()
		return nil, err
	}
	for {
		fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_PARENT)
		if err != nil {
			f.Close()
			return nil, err
		}
		parent := os.NewFile(uintptr(fd), "user namespace")
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Dev == own.Dev && st.Ino == own.Ino {
			parent.Close()
			return f, err
		}
		f.Close()
		f = parent
	}
}
