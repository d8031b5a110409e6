package link

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"skiff/state/thread"
)

// Namespace is a network namespace with its loopback device up.
type Namespace struct {
	file *os.File
	conn *Conn
}

// NewNamespace makes a network namespace, which lives as long as it is open or
// somebody is in it.
func NewNamespace() (*Namespace, error) {
	n := &Namespace{}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot make a network namespace: %w", err)
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return fmt.Errorf("cannot open the network namespace: %w", err)
		}
		n.file = f
		if n.conn, err = Open(); err != nil {
			return err
		}
		return n.conn.Up(1) // the loopback device is always the first
	})
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// AdoptNamespace takes over a namespace that another process has made and brings
// its loopback device up. The file is the namespace's from then on.
func AdoptNamespace(f *os.File) (*Namespace, error) {
	n := &Namespace{file: f}
	err := n.Do(func() (err error) {
		if n.conn, err = Open(); err != nil {
			return err
		}
		return n.conn.Up(1)
	})
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// OpenNamespace takes over a namespace that is in use; the file is the namespace's
// from then on.
func OpenNamespace(f *os.File) (*Namespace, error) {
	n := &Namespace{file: f}
	if err := n.Do(func() (err error) { n.conn, err = Open(); return err }); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// onThread runs fn on a thread whose network namespace it may change. The
// thread is put back afterwards, or ends where that fails, as it does for all
// who are not root in the namespace they came from.
func onThread(fn func() error) (err error) {
	thread.Run(func() (restored bool) {
		old, oerr := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if oerr != nil {
			err = fmt.Errorf("cannot open the network namespace: %w", oerr)
			return true
		}
		defer unix.Close(old)
		err = fn()
		return unix.Setns(old, unix.CLONE_NEWNET) == nil
	})
	return err
}

// Fd is the namespace's descriptor, valid until Close.
func (n *Namespace) Fd() int { return int(n.file.Fd()) }

// Path names the namespace for child processes while this process lives and
// the namespace is open.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Fd()) }

// Conn is a connection within the namespace.
func (n *Namespace) Conn() *Conn { return n.conn }

// Do runs fn on a thread within the namespace.
func (n *Namespace) Do(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network namespace: %w", err)
		}
		return fn()
	})
}

// Close lets go of the namespace. Doing so again does nothing.
func (n *Namespace) Close() {
	n.conn.Close()
	n.conn = nil
	if n.file != nil {
		n.file.Close()
	}
}
