package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
)

const (
	// noticeMax is the longest message that systemd takes, in bytes.
	noticeMax = 4096
	// noticePause is the time between two messages: a container must not be able
	// to keep the service manager busy. The container waits meanwhile.
	noticePause = 10 * time.Millisecond
	// noticeRetry is when a message is sent again that found no room.
	noticeRetry = 100 * time.Millisecond
)

// notices passes on what the container tells the service manager. Descriptors
// that come along are dropped, which is also the answer to a barrier.
type notices struct {
	m    *monitor
	in   int
	w    *watch
	out  int
	to   *unix.SockaddrUnix
	left []byte // not sent yet
}

// relayNotices makes the socket that the start stage mounts into the container.
// The monitor is the main process of the service, to whom systemd listens.
func (m *monitor) relayNotices() error {
	if err := os.Mkdir(m.c.Notify(), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the notify socket: %w", err)
	}
	// Any user of the container may write; who may reach it is the mount's matter.
	in, err := bindSocket(filepath.Join(m.c.Notify(), dirs.NotifySocket), unix.SOCK_DGRAM, 0o111)
	if err != nil {
		return fmt.Errorf("cannot make the notify socket: %w", err)
	}
	n := &notices{m: m, in: in, to: &unix.SockaddrUnix{Name: m.l.NotifySocket}}
	n.out, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		n.w, err = m.loop.add(in, unix.EPOLLIN, func(uint32) { n.receive() })
	}
	if err != nil {
		unix.Close(in)
		return fmt.Errorf("cannot make the notify socket: %w", err)
	}
	return nil
}

// receive takes one message.
func (n *notices) receive() {
	buf := make([]byte, noticeMax+1)
	n.m.churn += len(buf)
	size, err := unix.Read(n.in, buf)
	if err != nil || size > noticeMax {
		return
	}
	if n.left = permitted(buf[:size]); len(n.left) > 0 {
		n.m.loop.set(n.w, 0)
		n.send()
	}
}

func (n *notices) send() {
	err := unix.Sendto(n.out, n.left, unix.MSG_NOSIGNAL, n.to)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
		n.m.loop.after(noticeRetry, n.send)
		return
	}
	n.m.loop.after(noticePause, func() { n.m.loop.set(n.w, unix.EPOLLIN) })
}

// permitted keeps the lines of a message that a container may say: how it is
// doing, not who the service's main process is or what systemd shall keep.
func permitted(message []byte) (out []byte) {
	for line := range strings.Lines(string(message)) {
		name, _, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			continue
		}
		switch name {
		case "READY", "RELOADING", "STOPPING", "STATUS", "ERRNO", "BUSERROR", "MONOTONIC_USEC",
			"WATCHDOG", "WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC":
			out = append(out, strings.TrimSuffix(line, "\n")+"\n"...)
		}
	}
	return out
}
