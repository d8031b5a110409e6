package monitor

import (
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Package syscall copies the arguments and the whole environment each time that it
// starts a program, some 3 KB. A spawner starts one program again and again and
// allocates nothing: everything is made beforehand, and what is between the fork
// and the exec is what syscall does there, as far as it is needed here.

// What Go's runtime has to do around a fork: block signals, since a handler must
// not run in the child, and set them back there. See syscall.forkAndExecInChild.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// spawner starts an internal command of skiff with /dev/null as its streams and a
// file as its descriptor 3.
type spawner struct {
	// block has the arguments and the environment, each a list of addresses that
	// ends with zero, at argv and env, and the texts. It is not the heap's, where two
	// more size classes would take four pages.
	block     []byte
	argv, env uintptr
	null      int
	file      int
}

// newSpawner makes a spawner for an internal command that is told text.
func newSpawner(m *monitor, verb string, text []byte) (*spawner, error) {
	s := &spawner{null: m.null}
	argv := append(slices.Clone(m.p.Engine), verb, m.p.ID)
	const word = int(unsafe.Sizeof(s.argv))
	lists := (len(argv) + 1 + len(m.env) + 1) * word
	size := lists
	for _, list := range [][]string{argv, m.env} {
		for _, t := range list {
			size += len(t) + 1
		}
	}
	var err error
	if s.block, err = bigBuffer(size); err != nil {
		return nil, err
	}
	start := uintptr(unsafe.Pointer(&s.block[0]))
	s.argv, s.env = start, start+uintptr((len(argv)+1)*word)
	address, next := 0, lists
	for _, list := range [][]string{argv, m.env} {
		for _, t := range list {
			*(*uintptr)(unsafe.Pointer(&s.block[address])) = start + uintptr(next)
			next += copy(s.block[next:], t) + 1
			address += word
		}
		address += word
	}
	if s.file, err = textFile(verb, text); err != nil {
		unix.Munmap(s.block)
		return nil, err
	}
	return s, nil
}

// textFile makes a file in memory. Its descriptor is none of those that a spawned
// program has.
func textFile(name string, text []byte) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	defer unix.Close(fd)
	for done := 0; done < len(text); {
		n, err := unix.Pwrite(fd, text[done:], int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("cannot write a file in memory: %w", err)
		}
		done += n
	}
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, launchFD+1)
}

func (s *spawner) close() {
	if s != nil {
		unix.Close(s.file)
		unix.Munmap(s.block)
	}
}

// execFailed and an error's number is the exit status of a child that could not
// execute the program.
const execFailed = 192

// spawnErrno says why a spawned program could not be executed; 0 if it could.
func spawnErrno(ws unix.WaitStatus) syscall.Errno {
	if !ws.Exited() || ws.ExitStatus() < execFailed {
		return 0
	}
	return syscall.Errno(ws.ExitStatus() - execFailed)
}

// spawn starts the program. That it cannot be executed is told by its end, see
// spawnErrno.
func (s *spawner) spawn() (pid int, err error) {
	n, errno := s.fork()
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// fork is spawn. In the child nothing may be called that can grow the stack,
// allocate or wait.
//
//go:noinline
//go:norace
//go:nocheckptr
func (s *spawner) fork() (pid uintptr, errno syscall.Errno) {
	path, argv, env := *(*uintptr)(unsafe.Pointer(&s.block[0])), s.argv, s.env
	null, file := uintptr(s.null), uintptr(s.file)
	beforeFork()
	pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		afterFork()
		return pid, errno
	}
	afterForkInChild()
	for fd := uintptr(0); fd < launchFD && errno == 0; fd++ {
		_, _, errno = syscall.RawSyscall(syscall.SYS_DUP3, null, fd, 0)
	}
	if errno == 0 {
		_, _, errno = syscall.RawSyscall(syscall.SYS_DUP3, file, launchFD, 0)
	}
	if errno == 0 {
		_, _, errno = syscall.RawSyscall(syscall.SYS_EXECVE, path, argv, env)
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, execFailed+uintptr(errno)&63, 0, 0)
	}
}
