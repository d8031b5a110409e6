package monitor

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/logfile"
	"skiff/runtime/wire"
)

// session is the streams of one program that the monitor looks after: the
// container's first process or one started by exec.
type session struct {
	m        *monitor
	terminal bool
	once     bool // the first client to leave ends stdin, unless it is a terminal
	log      *logfile.Writer

	outlets []*outlet
	in      *inlet // nil: stdin is not ours
	pty     int    // the terminal's controlling side, -1 without one
	size    wire.Size
	clients []*conn
	// listening is set once output is read.
	listening bool
	// ended lets the output go to clients that are slow without waiting for them.
	ended bool
}

func newSession(m *monitor) *session { return &session{m: m, pty: -1} }

// pipes makes the session's pipes and gives the other ends, for the stage; the
// caller closes them. stdin is nil (/dev/null) unless open.
func (s *session) pipes(openStdin bool) (ends [3]int, err error) {
	ends = [3]int{s.m.null, -1, -1}
	defer func() {
		if err != nil {
			s.m.closeEnds(ends)
			s.closeStreams()
		}
	}()
	var p [2]int
	if openStdin {
		if err = unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return ends, err
		}
		ends[0] = p[0]
		s.in = &inlet{fd: p[1], s: s}
		if err = unix.SetNonblock(p[1], true); err != nil {
			return ends, err
		}
	}
	for i, kind := range []wire.Kind{wire.KindStdout, wire.KindStderr} {
		if err = unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return ends, err
		}
		ends[i+1] = p[1]
		if err = s.addOutlet(p[0], kind, false); err != nil {
			return ends, err
		}
	}
	return ends, nil
}

// closeEnds closes a stage's ends of the streams in the monitor.
func (m *monitor) closeEnds(ends [3]int) {
	for _, fd := range ends {
		if fd > 2 && fd != m.null && !m.isDirect(fd) {
			unix.Close(fd)
		}
	}
}

// adoptTerminal takes over a terminal's controlling side.
func (s *session) adoptTerminal(fd int, openStdin bool) error {
	s.pty = fd
	if err := s.addOutlet(fd, wire.KindStdout, true); err != nil {
		return err
	}
	if openStdin {
		s.in = &inlet{fd: fd, tty: true, s: s}
	}
	s.resize(s.size)
	return nil
}

func (s *session) resize(z wire.Size) {
	if z.Rows == 0 && z.Cols == 0 {
		return
	}
	s.size = z
	if s.pty >= 0 {
		unix.IoctlSetWinsize(s.pty, unix.TIOCSWINSZ, &unix.Winsize{Row: z.Rows, Col: z.Cols})
	}
}

// emit gives a chunk of output to the log, then to the clients. frame has room
// for the header in front.
func (s *session) emit(k wire.Kind, frame []byte) {
	stream := logfile.Stdout
	if k == wire.KindStderr {
		stream = logfile.Stderr
	}
	if s.log != nil {
		s.log.Write(stream, frame[frameHeader:])
	}
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:frameHeader], uint32(len(frame)-frameHeader))
	for i := len(s.clients) - 1; i >= 0; i-- { // a client may leave as we go
		c := s.clients[i]
		if c.attach.Stdout && k == wire.KindStdout || c.attach.Stderr && k == wire.KindStderr {
			c.send(frame)
		}
	}
	s.throttle()
	s.m.busy()
}

// throttle stops reading output while a client has not taken what it was sent,
// and goes on when all have.
func (s *session) throttle() {
	if s.ended {
		return
	}
	hold := false
	for _, c := range s.clients {
		hold = hold || len(c.out) > 0
	}
	for _, o := range s.outlets {
		switch {
		case hold:
			s.m.loop.set(o.w, 0)
		case o.w == nil && o.fd >= 0 && s.listening:
			o.rearm()
		default:
			s.m.loop.set(o.w, readEvents)
		}
	}
}

// attachClient makes c one of the session's clients.
func (s *session) attachClient(c *conn, a wire.Attach) {
	c.sess, c.attach = s, a
	s.clients = append(s.clients, c)
}

// detachClient forgets a client that has left.
func (s *session) detachClient(c *conn) {
	for i := range s.clients {
		if s.clients[i] == c {
			s.clients = append(s.clients[:i], s.clients[i+1:]...)
			break
		}
	}
	c.sess = nil
	if c.attach.Stdin && !s.terminal {
		s.stdinLeft() // who leaves a terminal comes back to it
	}
	s.throttle()
}

// stdinLeft is called when a client has nothing more to send.
func (s *session) stdinLeft() {
	if s.once && s.in != nil {
		s.in.end()
	}
}

// resumeClients goes on with the input of clients that had to wait.
func (s *session) resumeClients() {
	for _, c := range append([]*conn(nil), s.clients...) {
		c.resume()
	}
}

// finish reads the output to its end. No process of the session is left.
func (s *session) finish() {
	s.ended = true
	deadline := time.Now().Add(drainWait)
	for _, o := range s.outlets {
		o.drain(deadline)
	}
	if s.log != nil {
		s.log.End()
	}
	s.closeStreams()
}

// release is finish for a program that may have left others behind: they keep
// their pipes, which are read and forgotten until the last of them ends.
func (s *session) release() {
	s.ended = true
	for _, o := range s.outlets {
		o.take()
	}
	s.ended = false
	if s.pty >= 0 {
		s.closeStreams()
		return
	}
	s.in.close()
}

func (s *session) closeStreams() {
	for _, o := range s.outlets {
		o.close()
	}
	s.in.close()
	if s.pty >= 0 {
		unix.Close(s.pty)
	}
	s.outlets, s.in, s.pty, s.listening = nil, nil, -1, false
}
