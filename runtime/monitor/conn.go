package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

const (
	frameHeader = 5
	// chunkSize is how much output is read and passed on at a time.
	chunkSize = 32 << 10
	// maxInput bounds a frame on an established connection, maxRequest the first
	// one, which may carry the environment of an exec.
	maxInput   = 256 << 10
	maxRequest = wire.MaxFrame
	// maxConns bounds the clients at a time.
	maxConns = 200
	// maxFDs bounds the descriptors that come with a request: all ports of each
	// protocol, in two families.
	maxFDs = 2 * 3 << 16
)

// role is what a connection is for.
type role uint8

const (
	roleNew      role = iota // has not asked for anything yet
	roleAttached             // client of a session's streams
	roleWait                 // waits for the end of the first process
	roleGone                 // waits for the end of the monitor
	roleCheck                // waits for a health check
	roleHold                 // keeps the container from starting again
	roleDone                 // is closed when everything is sent
)

// conn is one client.
type conn struct {
	m      *monitor
	fd     int // -1: closed
	w      *watch
	role   role
	in     []byte // received and not yet handled
	out    []byte // not yet sent
	deaf   bool   // the client is gone but not all it sent is handled
	sess   *session
	attach wire.Attach
	fds    []int // that came before the first request was handled
}

func (m *monitor) addConn(fd int, r role) (*conn, error) {
	c := &conn{m: m, fd: fd, role: r}
	m.churn += 1 << 10
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	w, err := m.loop.add(fd, unix.EPOLLIN, c.ready)
	if err != nil {
		return nil, err
	}
	c.w = w
	m.conns = append(m.conns, c)
	return c, nil
}

// accept takes a new client from the control socket.
func (m *monitor) accept() {
	fd, _, err := unix.Accept4(m.ctl, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		unix.Close(fd)
		return
	}
	if len(m.conns) >= maxConns {
		m.evict()
	}
	if len(m.conns) >= maxConns {
		unix.Close(fd)
		return
	}
	if _, err := m.addConn(fd, roleNew); err != nil {
		unix.Close(fd)
	}
}

// evict makes room by dropping the oldest client that never asked for anything.
func (m *monitor) evict() {
	for _, c := range m.conns {
		if c.role == roleNew {
			c.close()
			return
		}
	}
}

func (c *conn) ready(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if c.fd >= 0 && events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		// The other end is closed: what it sent is still to be read, but nobody
		// waits for output, and the loop must not spin on the hang-up.
		c.deaf = true
		c.out = nil
		c.m.loop.remove(c.w)
		if c.sess != nil {
			c.sess.throttle()
		}
		c.resume()
		return
	}
	if c.fd >= 0 && events&unix.EPOLLIN != 0 {
		c.receive()
	}
}

// receive reads once and handles the whole frames.
func (c *conn) receive() {
	n, err := c.read()
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
		return
	}
	if err != nil || n == 0 {
		c.close()
		return
	}
	c.m.busy()
	c.m.churn += 2 * n
	c.in = append(c.in, c.m.chunk[:n]...)
	c.handle()
}

// read reads once. Descriptors come with the first request at most.
func (c *conn) read() (int, error) {
	if c.role != roleNew {
		return unix.Read(c.fd, c.m.chunk)
	}
	oob := make([]byte, unix.CmsgSpace(wire.MaxFDs*4))
	n, oobn, _, _, err := unix.Recvmsg(c.fd, c.m.chunk, oob, unix.MSG_CMSG_CLOEXEC)
	if err == nil && oobn > 0 {
		c.fds = append(c.fds, wire.ParseRights(oob[:oobn])...)
		if len(c.fds) > maxFDs {
			return 0, unix.EMSGSIZE
		}
	}
	return n, err
}

// dropFDs closes the descriptors that nobody took.
func (c *conn) dropFDs() {
	for _, fd := range c.fds {
		unix.Close(fd)
	}
	c.fds = nil
}

// resume goes on with a client whose input had to wait, and reads all there is
// of one that is gone.
func (c *conn) resume() {
	if c.fd < 0 {
		return
	}
	c.handle()
	for c.deaf && c.fd >= 0 && !c.blocked() {
		c.receive()
	}
}

// blocked says that the client's input has to wait for the process to read.
func (c *conn) blocked() bool {
	return c.attach.Stdin && c.sess != nil && c.sess.in.full()
}

// handle takes the whole frames off the input.
func (c *conn) handle() {
	used := 0
	for c.fd >= 0 && !c.blocked() {
		rest := c.in[used:]
		if len(rest) < frameHeader {
			break
		}
		limit := maxInput
		if c.role == roleNew {
			limit = maxRequest
		}
		size := int(binary.BigEndian.Uint32(rest[1:frameHeader]))
		if size > limit {
			c.close()
			return
		}
		if len(rest) < frameHeader+size {
			break
		}
		used += frameHeader + size
		c.frame(wire.Kind(rest[0]), rest[frameHeader:frameHeader+size])
	}
	if c.fd < 0 {
		return
	}
	if used == len(c.in) {
		c.in = nil
	} else {
		c.in = append(c.in[:0], c.in[used:]...)
	}
	c.rearm()
}

// rearm sets what the loop waits for.
func (c *conn) rearm() {
	var events uint32
	if !c.blocked() && c.role != roleDone {
		events = unix.EPOLLIN
	}
	if len(c.out) > 0 {
		events |= unix.EPOLLOUT
	}
	c.m.loop.set(c.w, events)
}

// frame handles one frame. Whoever does not keep to the protocol is dropped.
func (c *conn) frame(k wire.Kind, payload []byte) {
	switch {
	case k == wire.KindDescriptors && c.role == roleNew: // read took them
	case k == wire.KindRequest && c.role == roleNew:
		var req wire.Request
		if err := json.Unmarshal(payload, &req); err != nil {
			c.close()
			return
		}
		c.m.request(c, &req)
		c.dropFDs()
	case k == wire.KindStdin && c.role == roleAttached:
		if c.sess != nil && c.attach.Stdin && c.sess.in != nil && !c.sess.in.ending {
			c.sess.in.write(payload)
		}
	case k == wire.KindStdinEOF && c.role == roleAttached:
		if c.sess != nil && c.attach.Stdin {
			c.sess.stdinLeft()
		}
	case k == wire.KindResize && c.role == roleAttached:
		var z wire.Size
		if json.Unmarshal(payload, &z) == nil && c.sess != nil {
			c.sess.resize(z)
		}
	default:
		c.close()
	}
}

// send sends a frame, keeping what does not fit now.
func (c *conn) send(frame []byte) {
	if c.fd < 0 || c.deaf {
		return
	}
	if len(c.out) == 0 {
		n, err := unix.SendmsgN(c.fd, frame, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return // the hang-up is reported by the loop
		}
		frame = frame[max(n, 0):]
	}
	if len(frame) > 0 {
		c.out = append(c.out, frame...)
		c.m.churn += len(frame)
		c.rearm()
	}
}

// flush sends more of what did not fit.
func (c *conn) flush() {
	for len(c.out) > 0 {
		n, err := unix.SendmsgN(c.fd, c.out, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			break
		}
		c.out = c.out[n:]
	}
	if len(c.out) > 0 {
		return
	}
	c.out = nil
	if c.role == roleDone {
		c.close()
		return
	}
	c.rearm()
	if c.sess != nil {
		c.sess.throttle()
	}
}

func (c *conn) sendJSON(k wire.Kind, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return
	}
	frame := make([]byte, frameHeader, frameHeader+len(data))
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(data)))
	c.send(append(frame, data...))
}

// last sends the last frame of a conversation.
func (c *conn) last(k wire.Kind, v any) {
	if c.fd < 0 {
		return
	}
	if c.sess != nil {
		c.attach.Stdin = false // its leaving is not the end of stdin
		c.sess.detachClient(c)
	}
	c.role = roleDone
	c.sendJSON(k, v)
	if len(c.out) == 0 {
		c.close()
	}
}

func (c *conn) close() {
	if c.fd < 0 {
		return
	}
	c.m.loop.remove(c.w)
	unix.Close(c.fd)
	c.dropFDs()
	c.fd, c.in, c.out = -1, nil, nil
	for i := range c.m.conns {
		if c.m.conns[i] == c {
			c.m.conns = append(c.m.conns[:i], c.m.conns[i+1:]...)
			break
		}
	}
	if c.sess != nil {
		c.sess.detachClient(c)
	}
	if c == c.m.launcher {
		c.m.launcherLeft()
	}
	if c.role == roleHold && c.m.overdue {
		c.m.loop.after(0, c.m.letGo)
	}
}
