package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// claimWait is how long the monitor of the container's last run may take to
// leave.
const claimWait = 5 * time.Second

// closeFrom closes what the caller left open, so that the monitor keeps nothing
// of its terminal, pipes or locks.
func closeFrom(first int) {
	if unix.CloseRange(uint(first), ^uint(0)>>1, 0) == nil {
		return
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.Close(fd)
		}
	}
}

// settle leaves the caller's session and directory and becomes the parent of
// whatever is left alone below.
func (m *monitor) settle() (err error) {
	unix.CloseOnExec(launchFD)
	unix.Setsid() // fails where the caller did it already
	unix.Umask(0o022)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot adopt orphans: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if m.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("cannot open /dev/null: %w", err)
	}
	return nil
}

// detach leaves the caller's streams.
func (m *monitor) detach() error {
	for fd := range 3 {
		if m.l.Direct {
			dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, launchFD+1)
			if err != nil {
				return fmt.Errorf("cannot keep the caller's streams: %w", err)
			}
			m.direct = append(m.direct, dup)
		}
		if err := unix.Dup3(m.null, fd, 0); err != nil {
			return err
		}
	}
	return nil
}

func (m *monitor) isDirect(fd int) bool {
	for _, d := range m.direct {
		if d == fd {
			return true
		}
	}
	return false
}

func (m *monitor) closeDirect() {
	closeAll(m.direct)
	closeAll(m.extra)
	m.direct, m.extra = nil, nil
}

// claim makes the container's directory below the run root and takes the claim
// on the container. The monitor of the last run may be about to leave.
func (m *monitor) claim() error {
	deadline := time.Now().Add(claimWait)
	for {
		if err := os.MkdirAll(filepath.Dir(m.c.Run), 0o711); err != nil {
			return fmt.Errorf("cannot make the run directory: %w", err)
		}
		if err := os.Mkdir(m.c.Run, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot make the run directory: %w", err)
		}
		l, err := lock.Claim(m.c.Alive())
		if err == nil {
			m.alive = l
			return nil
		}
		if !errors.Is(err, lock.ErrBusy) && !errors.Is(err, os.ErrNotExist) || time.Now().After(deadline) {
			return err
		}
		if jsonfile.Exists(m.c.Status()) {
			return errors.New("cannot start container: it runs already")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// listen makes the control socket. Its path may be too long for an address, so
// it goes through a descriptor of its directory.
func (m *monitor) listen() error {
	fd, err := bindSocket(m.c.Control(), unix.SOCK_STREAM, 0o177)
	if err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	err = unix.Listen(fd, 64)
	if err == nil {
		_, err = m.loop.add(fd, unix.EPOLLIN, func(uint32) { m.accept() })
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	m.ctl = fd
	return nil
}

// bindSocket makes a socket file with the mode that umask leaves, in place of
// one that a monitor left that was killed.
func bindSocket(path string, kind, umask int) (int, error) {
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	name := filepath.Base(path)
	unix.Unlinkat(dir, name, 0)
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	old := unix.Umask(umask)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name})
	unix.Umask(old)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// The signals that the monitor acts on. HUP, INT and QUIT do nothing here, yet
// are not ignored: that the container's processes would inherit.
func (m *monitor) watchSignals() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	if _, err := m.loop.add(fd, unix.EPOLLIN, func(uint32) { m.signalled(fd) }); err != nil {
		return err
	}
	if err := catchSignals(fd); err != nil {
		return err
	}
	writeEvent(fd, 1) // for a child that ended before
	return nil
}

// termMark is what SIGTERM adds to the event counter; other signals add 1.
const termMark = 1 << 32

func writeEvent(fd int, add uint64) {
	unix.Write(fd, binary.NativeEndian.AppendUint64(nil, add))
}

// signalled acts on the signals counted since it was last called.
func (m *monitor) signalled(fd int) {
	var count [8]byte
	if n, err := unix.Read(fd, count[:]); n != len(count) || err != nil {
		return
	}
	if binary.NativeEndian.Uint64(count[:]) >= termMark {
		m.terminate()
	}
	m.reap()
}

// refuse tells the engine why there will be no container.
func (m *monitor) refuse(err error) {
	f := wire.Failure{Message: err.Error(), Code: 125}
	var as wire.Failure
	if errors.As(err, &as) {
		f = as
	}
	unix.SetNonblock(launchFD, false)
	wire.SendFDs(launchFD, wire.KindFailed, f, nil)
}

// bigBuffer is memory that can be given back while it is not used.
func bigBuffer(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("cannot allocate memory: %w", err)
	}
	unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	return b, nil
}

// churnMax is how much may have been allocated before collecting it pays: the
// collector's own structures cost some 200 KiB once it has run.
const churnMax = 512 << 10

// trim gives back the memory that only a busy container needs.
func (m *monitor) trim() {
	m.trimTimer = nil
	unix.Madvise(m.chunk, unix.MADV_DONTNEED)
	if m.log != nil {
		m.log.Trim()
	}
	if m.resolver != nil {
		m.resolver.Trim()
	}
	if m.churn > churnMax {
		m.churn = 0
		debug.FreeOSMemory()
	}
}
