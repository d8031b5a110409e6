package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// consoleRelay hands the terminal that another runtime sends to a socket's path
// on over the connected socket that we have.
type consoleRelay struct {
	path     string
	dir      *os.File
	listener *net.UnixListener
	done     chan struct{}
}

// listenForConsole makes the socket in dir. Its path goes through /proc: that of
// dir can be too long for a socket's.
func listenForConsole(dir string, to *os.File) (*consoleRelay, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	os.Remove(filepath.Join(dir, "console"))
	path := fmt.Sprintf("/proc/%d/fd/%d/console", os.Getpid(), d.Fd())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		d.Close()
		return nil, err
	}
	r := &consoleRelay{path: path, dir: d, listener: l, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		// An error means that the runtime failed and sent none; it tells itself.
		_ = relayOne(l, to)
	}()
	return r, nil
}

// close waits until the terminal has been handed on, or gives up if none came.
func (r *consoleRelay) close() {
	r.listener.Close()
	<-r.done
	r.dir.Close()
}

func relayOne(l *net.UnixListener, to *os.File) error {
	c, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	defer c.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	name := make([]byte, 4096)
	n, oobn, _, _, err := c.ReadMsgUnix(name, oob)
	if err != nil {
		return err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return errors.New("no terminal was sent")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return err
	}
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	return unix.Sendmsg(int(to.Fd()), name[:max(n, 1)], unix.UnixRights(fds...), nil, 0)
}
