// Package lock is mutual exclusion between processes through locks on files.
// The kernel drops a lock when its holder dies, so none is ever stale.
//
// Two kinds are used. A critical section takes an exclusive flock(2) (Take,
// Try). A lasting claim such as "this container's monitor is alive" is an open
// file description lock, see fcntl(2), because others can ask about it
// (Held) without taking it themselves.
package lock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrBusy means that another process holds the lock and the caller did not
// want to wait.
var ErrBusy = errors.New("in use by another process")

// Lock is a held lock. It ends with Release or with the process; children
// that are executed do not inherit it.
type Lock struct{ f *os.File }

// Release gives the lock up. Releasing a nil Lock does nothing.
func (l *Lock) Release() {
	if l != nil && l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// Fd is the lock file's descriptor, for a holder that hands its lock on.
func (l *Lock) Fd() int { return int(l.f.Fd()) }

// Take waits for the exclusive lock on path, making the file where needed.
func Take(path string) (*Lock, error) { return acquire(path, unix.LOCK_EX) }

// Share waits for a shared lock on path.
func Share(path string) (*Lock, error) { return acquire(path, unix.LOCK_SH) }

// Try takes the exclusive lock or fails at once with ErrBusy.
func Try(path string) (*Lock, error) { return acquire(path, unix.LOCK_EX|unix.LOCK_NB) }

func acquire(path string, how int) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot lock: %w", err)
		}
		if err := flock(int(f.Fd()), how); err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("cannot lock %s: %w", path, ErrBusy)
			}
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		if same(f, path) {
			return &Lock{f}, nil
		}
		// The file was removed while we waited: whoever removed it removed what it
		// guards, and a new file guards what is there now.
		f.Close()
	}
}

func flock(fd, how int) error {
	for {
		err := unix.Flock(fd, how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func same(f *os.File, path string) bool {
	var a, b unix.Stat_t
	if unix.Fstat(int(f.Fd()), &a) != nil || unix.Lstat(path, &b) != nil {
		return false
	}
	return a.Ino == b.Ino && a.Dev == b.Dev
}

// Claim takes the lasting claim on path, making the file where needed, or
// fails at once with ErrBusy if another process has it.
func Claim(path string) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot claim: %w", err)
		}
		fl := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &fl); err != nil {
			f.Close()
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
				return nil, fmt.Errorf("cannot claim %s: %w", path, ErrBusy)
			}
			return nil, fmt.Errorf("cannot claim %s: %w", path, err)
		}
		if same(f, path) {
			return &Lock{f}, nil
		}
		f.Close() // the last holder removed the file and died since we opened it
	}
}

// Held reports whether some process has the claim on path. A missing file is
// held by nobody.
func Held(path string) bool {
	var fd int
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	fl := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &fl); err != nil {
		return false
	}
	return fl.Type != unix.F_UNLCK
}

// TryShare takes a shared lock or fails at once with ErrBusy.
func TryShare(path string) (*Lock, error) { return acquire(path, unix.LOCK_SH|unix.LOCK_NB) }
