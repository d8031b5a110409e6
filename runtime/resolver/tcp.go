package resolver

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxConns are open at once; a further one takes the place of the one that has
	// done nothing for the longest time.
	maxConns = 16
	// maxTCPQuery bounds a question over TCP, with the two bytes of its length.
	maxTCPQuery = 4096
	connSize    = maxTCPQuery + 64<<10 + 4096
	// idle is how long a client may take to ask, or to take an answer.
	idle = 10 * time.Second
)

// stage is what a connection waits for.
type stage uint8

const (
	asking   stage = iota // the client's question
	passing               // the server to take it
	waiting               // the server's answer
	replying              // the client to take it
)

// conn is a client over TCP. It has one question at a time; what it asks meanwhile
// waits in its socket.
type conn struct {
	fd    int // -1 for none
	gen   int32
	place int // in the list
	up    int // to the server, -1 for none
	upgen int32
	stage stage
	query []byte // with its length before it
	reply []byte // likewise
	done  int    // bytes read or written
	size  int    // of what is to be read or written
	end   int    // of the question
	asked uint16
	tries int
	until int64
	// deadline is the last until of a question that others are asked.
	deadline int64
	since    int64
}

func (r *Resolver) takeTCP() {
	for range maxConns {
		if !r.may() {
			return
		}
		fd, errno := accept(r.tcp)
		if errno != 0 {
			return
		}
		c := r.place()
		r.gen++
		*c = conn{fd: fd, gen: r.gen, up: -1, place: c.place, query: c.query, reply: c.reply}
		if err := r.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, int32(tagConn+c.place), c.gen); err != nil {
			r.hangUp(c)
			continue
		}
		r.next(c)
	}
}

// place is a free connection's.
func (r *Resolver) place() *conn {
	oldest := &r.conns[0]
	for i := range r.conns {
		c := &r.conns[i]
		if c.fd < 0 {
			return c
		}
		if c.since < oldest.since {
			oldest = c
		}
	}
	r.hangUp(oldest)
	return oldest
}

// hangUp ends the connection and gives its buffers back.
func (r *Resolver) hangUp(c *conn) {
	r.leave(c)
	if c.fd < 0 {
		return
	}
	unix.Close(c.fd)
	c.fd = -1
	unix.Madvise(c.reply, unix.MADV_DONTNEED)
}

// leave ends the connection to the server.
func (r *Resolver) leave(c *conn) {
	if c.up >= 0 {
		unix.Close(c.up)
		c.up = -1
	}
}

// next waits for the client's next question.
func (r *Resolver) next(c *conn) {
	c.stage, c.done, c.size = asking, 0, 2
	c.since, c.until = r.now, r.now+int64(idle)
}

// served is called when the client has sent something, or can take something.
func (r *Resolver) served(c *conn, events uint32) {
	switch {
	case events&(unix.EPOLLHUP|unix.EPOLLERR) != 0:
		r.hangUp(c)
	case c.stage == asking:
		if r.read(c.fd, c, c.query) {
			r.asks(c)
		}
	case c.stage == replying && events&unix.EPOLLOUT != 0:
		r.write(c)
	}
}

// read reads on, and says whether a whole message is there. Where there is none to
// come the connection ends.
func (r *Resolver) read(fd int, c *conn, buf []byte) bool {
	for {
		n, err := unix.Read(fd, buf[c.done:c.size])
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return false
		}
		if err != nil || n == 0 {
			r.broken(fd, c)
			return false
		}
		c.done += n
		if c.done < c.size {
			continue
		}
		if c.size > 2 {
			return true
		}
		if c.size = 2 + int(binary.BigEndian.Uint16(buf)); c.size < 2+headerSize || c.size > len(buf) {
			r.broken(fd, c)
			return false
		}
	}
}

// broken is called when one side does not keep to the protocol, or has gone.
func (r *Resolver) broken(fd int, c *conn) {
	if fd == c.fd {
		r.hangUp(c)
		return
	}
	r.passOn(c)
}

// asks deals with a question that is there.
func (r *Resolver) asks(c *conn) {
	if !r.may() {
		r.hangUp(c)
		return
	}
	msg := c.query[2:c.size]
	code, ok := r.q.parse(msg, &r.name)
	if !ok {
		r.hangUp(c)
		return
	}
	if answer, mine := r.local(&r.q, code, maxMessage); mine {
		r.give(c, answer)
		return
	}
	r.servers.look(r.now)
	c.end, c.tries = r.q.end, 0
	c.deadline, c.since = r.now+int64(allFor), r.now
	r.watchClient(c, 0)
	r.passOn(c)
}

// passOn connects to the next server.
func (r *Resolver) passOn(c *conn) {
	r.leave(c)
	size := 2 + int(binary.BigEndian.Uint16(c.query))
	c.stage, c.done, c.size = passing, 0, size
	for r.now < c.deadline {
		to := r.servers.at(c.tries, r.now)
		if to == nil {
			break
		}
		c.tries++
		if r.connect(c, to) == nil {
			c.until = r.servers.patience(c.tries, r.now, c.deadline)
			return
		}
		r.leave(c)
	}
	if code, ok := r.q.parse(c.query[2:size], &r.name); !ok || code != noError {
		r.hangUp(c)
		return
	}
	r.give(c, r.fail(&r.q))
}

func (r *Resolver) connect(c *conn, to unix.Sockaddr) error {
	id, err := random()
	if err != nil {
		return err
	}
	if c.up, err = r.servers.connect(to, unix.SOCK_STREAM); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	r.gen++
	c.upgen, c.asked = r.gen, uint16(id)
	return r.watch(unix.EPOLL_CTL_ADD, c.up, unix.EPOLLOUT, int32(tagUpstream+c.place), c.upgen)
}

// upstream is called when the server can take something, or has sent something.
func (r *Resolver) upstream(c *conn, events uint32) {
	if c.stage == passing {
		if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 || !r.pass(c) {
			r.passOn(c)
		}
		return
	}
	if !r.read(c.up, c, c.reply) {
		return
	}
	msg := c.reply[2:c.size]
	if !answers(msg, c.asked, c.query[2+headerSize:2+c.end]) {
		r.passOn(c)
		return
	}
	if r.servers.failed(codeOf(msg), c.tries, r.now) {
		r.passOn(c)
		return
	}
	number(msg, binary.BigEndian.Uint16(c.query[2:]))
	r.leave(c)
	r.start(c, c.size)
}

// pass sends the server the question with another number; false if that fails.
func (r *Resolver) pass(c *conn) bool {
	// The reply's buffer is free meanwhile.
	msg := c.reply[:c.size]
	copy(msg, c.query)
	number(msg[2:], c.asked)
	n, err := unix.Write(c.up, msg[c.done:])
	if gone(err) {
		return false
	}
	if c.done += max(n, 0); c.done < c.size {
		return true
	}
	c.stage, c.done, c.size = waiting, 0, 2
	return r.watch(unix.EPOLL_CTL_MOD, c.up, unix.EPOLLIN, int32(tagUpstream+c.place), c.upgen) == nil
}

// give sends the client an answer.
func (r *Resolver) give(c *conn, msg []byte) {
	r.leave(c)
	binary.BigEndian.PutUint16(c.reply, uint16(len(msg)))
	copy(c.reply[2:], msg)
	r.start(c, 2+len(msg))
}

func (r *Resolver) start(c *conn, size int) {
	c.stage, c.done, c.size = replying, 0, size
	c.since, c.until = r.now, r.now+int64(idle)
	r.write(c)
}

func (r *Resolver) write(c *conn) {
	n, err := unix.Write(c.fd, c.reply[c.done:c.size])
	if gone(err) {
		r.hangUp(c)
		return
	}
	if c.done += max(n, 0); c.done < c.size {
		r.watchClient(c, unix.EPOLLOUT)
		return
	}
	r.next(c)
	r.watchClient(c, unix.EPOLLIN)
}

// watchClient sets what is waited for of the client: nothing but its hanging up
// while another server is asked.
func (r *Resolver) watchClient(c *conn, events uint32) {
	if r.watch(unix.EPOLL_CTL_MOD, c.fd, events, int32(tagConn+c.place), c.gen) != nil {
		r.hangUp(c)
	}
}

// late is called when a deadline has passed.
func (r *Resolver) late(c *conn) {
	if c.stage == passing || c.stage == waiting {
		r.passOn(c)
		return
	}
	r.hangUp(c)
}
