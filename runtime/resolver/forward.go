package resolver

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

const (
	// maxForwards are under way at once; a further one takes the place of the oldest.
	maxForwards = 256
	// maxQuery bounds a question over UDP. One that asks for a name has 300 bytes at
	// most, and what EDNS adds.
	maxQuery = 1024
	// maxJunk bounds the messages to a socket that are no answer to its question.
	maxJunk = 32
)

// forward is a question over UDP that another server is asked.
type forward struct {
	fd       int // to the server; -1 for none under way
	gen      int32
	from     client
	number   uint16 // the client's
	asked    uint16 // the one that the server gets
	size     int    // of the query
	end      int    // of the question in it
	limit    int    // of the answer
	tries    int    // servers that were asked
	junk     int
	until    int64
	deadline int64
}

func (r *Resolver) query(i int) []byte {
	return r.queries[i*maxQuery : i*maxQuery+r.forwards[i].size]
}

// forward asks the first server. What it is asked is what the client sent, with
// another number.
func (r *Resolver) forward(q *question, from *client) {
	r.servers.look(r.now)
	i := r.slot()
	f := &r.forwards[i]
	*f = forward{fd: -1, gen: f.gen, from: *from, number: binary.BigEndian.Uint16(q.msg), size: len(q.msg), end: q.end,
		limit: q.size, deadline: r.now + int64(allFor)}
	copy(r.query(i), q.msg)
	r.tryNext(f, i)
}

// slot is a free place, or that of the question that waits for the longest time.
func (r *Resolver) slot() (oldest int) {
	for i := range r.forwards {
		switch {
		case r.forwards[i].fd < 0:
			return i
		case r.forwards[i].deadline < r.forwards[oldest].deadline:
			oldest = i
		}
	}
	r.drop(&r.forwards[oldest])
	return oldest
}

func (r *Resolver) drop(f *forward) {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
}

// tryNext asks the next server, or tells the client that none has an answer.
func (r *Resolver) tryNext(f *forward, i int) {
	r.drop(f)
	for r.now < f.deadline {
		to := r.servers.at(f.tries, r.now)
		if to == nil {
			break
		}
		f.tries++
		if r.ask(f, i, to) == nil {
			f.until = r.servers.patience(f.tries, r.now, f.deadline)
			return
		}
		r.drop(f)
	}
	query := r.query(i)
	number(query, f.number)
	if c, ok := r.q.parse(query, &r.name); ok && c == noError {
		send(r.udp, r.fail(&r.q), &f.from)
	}
}

func (r *Resolver) ask(f *forward, i int, to unix.Sockaddr) (err error) {
	id, err := random()
	if err != nil {
		return err
	}
	if f.fd, err = r.servers.connect(to, unix.SOCK_DGRAM); err != nil {
		return err
	}
	r.gen++
	f.gen, f.asked, f.junk = r.gen, uint16(id), 0
	query := r.query(i)
	number(query, f.asked)
	if _, err := unix.Write(f.fd, query); err != nil {
		return err
	}
	return r.watch(unix.EPOLL_CTL_ADD, f.fd, unix.EPOLLIN, int32(tagForward+i), f.gen)
}

// answered takes what the server says.
func (r *Resolver) answered(f *forward, i int) {
	for {
		n, err := unix.Read(f.fd, r.in)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return
		}
		if err != nil { // such as that nobody listens there
			r.tryNext(f, i)
			return
		}
		msg := r.in[:n]
		if !answers(msg, f.asked, r.query(i)[headerSize:f.end]) {
			if f.junk++; f.junk >= maxJunk {
				r.tryNext(f, i)
				return
			}
			continue
		}
		if r.servers.failed(codeOf(msg), f.tries, r.now) {
			r.tryNext(f, i)
			return
		}
		number(msg, f.number)
		send(r.udp, cut(msg, f.end-headerSize, f.limit), &f.from)
		r.drop(f)
		return
	}
}
