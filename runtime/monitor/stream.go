package monitor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

const (
	readEvents = unix.EPOLLIN
	// hungUpRetry is how often a terminal is tried again that no process has open
	// at the moment, as happens between two users of one.
	hungUpRetry = 200 * time.Millisecond
	// drainWait bounds the wait for output after the last process of a container
	// is gone: only a descriptor that was passed out of it can hold a pipe open.
	drainWait = 500 * time.Millisecond
)

// outlet is the reading end of a process's stdout or stderr, or its terminal.
type outlet struct {
	fd   int // -1: at its end
	kind wire.Kind
	tty  bool
	w    *watch
	s    *session
}

func (s *session) addOutlet(fd int, kind wire.Kind, tty bool) error {
	o := &outlet{fd: fd, kind: kind, tty: tty, s: s}
	s.outlets = append(s.outlets, o)
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return nil
}

// listen begins to read the outlets.
func (s *session) listen() error {
	s.listening = true
	for _, o := range s.outlets {
		w, err := s.m.loop.add(o.fd, readEvents, func(uint32) { o.ready() })
		if err != nil {
			return err
		}
		o.w = w
	}
	return nil
}

// ready takes one chunk, so that two busy streams take turns.
func (o *outlet) ready() {
	if o.w.events == 0 {
		// Held back by a slow client: a hang-up has to wait for the data before it.
		o.s.m.loop.remove(o.w)
		o.w = nil
		return
	}
	if _, open := o.read(); !open && o.fd >= 0 {
		o.m().loop.remove(o.w)
		o.w = nil
		o.m().loop.after(hungUpRetry, o.rearm)
	}
}

func (o *outlet) m() *monitor { return o.s.m }

// rearm watches the outlet again after it was taken out of the loop.
func (o *outlet) rearm() {
	if o.fd < 0 || o.w != nil {
		return
	}
	w, err := o.m().loop.add(o.fd, readEvents, func(uint32) { o.ready() })
	if err != nil {
		o.close()
		return
	}
	o.w = w
	o.s.throttle()
}

// read takes one chunk from the outlet and gives its size. open says that the
// other end is not closed. At the end of a pipe the outlet is closed.
func (o *outlet) read() (n int, open bool) {
	buf := o.m().chunk
	for {
		n, err := unix.Read(o.fd, buf[frameHeader:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, true
		case err == nil && n > 0:
			o.s.emit(o.kind, buf[:frameHeader+n])
			return n, true
		case o.tty && errors.Is(err, unix.EIO):
			return 0, false // nobody has the terminal open now
		}
		o.close()
		return 0, false
	}
}

func (o *outlet) close() {
	if o.fd < 0 {
		return
	}
	o.m().loop.remove(o.w)
	o.w = nil
	if !o.tty { // the terminal's descriptor is the session's
		unix.Close(o.fd)
	}
	o.fd = -1
}

// drain reads what a session's processes wrote before they ended, until the
// stream ends or the deadline has passed.
func (o *outlet) drain(deadline time.Time) {
	for o.fd >= 0 {
		n, open := o.read()
		wait := time.Until(deadline)
		if !open || wait <= 0 {
			return
		}
		if n == 0 {
			p := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}
			unix.Poll(p, int(wait/time.Millisecond)+1)
		}
	}
}

// take reads what is there now, and not what others go on to write.
func (o *outlet) take() {
	if o.fd < 0 {
		return
	}
	there, err := unix.IoctlGetInt(o.fd, unix.TIOCINQ)
	if err != nil {
		return
	}
	for there >= 0 && o.fd >= 0 {
		n, open := o.read()
		if n == 0 || !open {
			return
		}
		there -= n
	}
}

// inlet is the writing end of a process's stdin. A terminal is also written to
// through one.
type inlet struct {
	fd      int // -1: closed
	tty     bool
	pending []byte // what did not fit
	ending  bool   // close when pending is written
	w       *watch
	s       *session
}

// write gives p to the process, or keeps what it does not take yet. The caller
// asks full before.
func (in *inlet) write(p []byte) {
	for len(p) > 0 && in.fd >= 0 {
		n, err := unix.Write(in.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			in.pending = append(in.pending[:0:0], p...)
			in.await()
			return
		case err != nil:
			in.close() // the process closed its stdin
			return
		default:
			p = p[n:]
		}
	}
}

func (in *inlet) await() {
	if in.w != nil {
		return
	}
	fd := in.fd
	if in.tty {
		// The terminal's descriptor is in the loop already, as the outlet.
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			in.pending = nil
			return
		}
		fd = dup
	}
	w, err := in.s.m.loop.add(fd, unix.EPOLLOUT, func(uint32) { in.ready() })
	if err != nil {
		in.pending = nil
		return
	}
	in.w = w
}

func (in *inlet) unwatch() {
	if in.w == nil {
		return
	}
	in.s.m.loop.remove(in.w)
	if in.tty {
		unix.Close(in.w.fd)
	}
	in.w = nil
}

// ready goes on with what did not fit, then lets the clients send more.
func (in *inlet) ready() {
	in.unwatch()
	p := in.pending
	in.pending = nil
	in.write(p)
	if in.full() {
		return
	}
	if in.ending {
		in.end()
	}
	in.s.resumeClients()
}

// full says that no more can be taken now.
func (in *inlet) full() bool { return in != nil && len(in.pending) > 0 }

// end closes stdin when what is pending has been written. On a terminal in its
// usual mode this is the end-of-file character.
func (in *inlet) end() {
	if in.full() {
		in.ending = true
		return
	}
	in.ending = false
	if !in.tty {
		in.close()
		return
	}
	if t, err := unix.IoctlGetTermios(in.fd, unix.TCGETS); err == nil && t.Lflag&unix.ICANON != 0 {
		in.write([]byte{t.Cc[unix.VEOF]})
	}
}

func (in *inlet) close() {
	if in == nil || in.fd < 0 {
		return
	}
	in.unwatch()
	in.pending = nil
	if !in.tty {
		unix.Close(in.fd)
	}
	in.fd = -1
}
