package progress

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// front is one way to show what happens. Its methods are called one at a time.
type front interface {
	began(*item)
	// line is one line of a program's output, with what ended it.
	line(it *item, stream int, text []byte)
	status(*item, *part)
	ended(*item)
	warn(string)
	// tick comes in regular intervals, for those who want it.
	tick()
	close(error)
}

// board is a Display: it keeps what every front wants to know.
type board struct {
	now     func() time.Time
	started time.Time
	limit   limits

	mu     sync.Mutex
	front  front
	items  []*item
	closed bool

	stop    chan struct{}
	stopped chan struct{}
}

// state is what has become of a vertex.
type state int

const (
	running state = iota
	done
	cached
	failed
	canceled
)

// item is a vertex, a Vertical.
type item struct {
	b       *board
	v       Vertex
	name    string // clean
	started time.Time
	ended   time.Time
	state   state
	err     error
	parts   []*part
	log     log
	out     output
	// index is the number that a front gave it; 0 is none yet.
	index int
}

// part is what Status speaks of.
type part struct {
	name           string // clean
	current, total int64
	started, ended time.Time // ended is zero while it goes on
	shown          int64     // what a front showed last
	shownAt        time.Time
}

// maxParts bounds the parts of one vertex.
const maxParts = 128

// run has the front's tick called until the board is closed.
func (b *board) run(every time.Duration) {
	if every == 0 {
		return
	}
	b.stop, b.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(b.stopped)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-b.stop:
				return
			case <-t.C:
				b.tick()
			}
		}
	}()
}

func (b *board) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.front.tick()
}

func (b *board) Begin(v Vertex) Vertical {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := &item{b: b, v: v, name: clean(v.Name), started: b.now()}
	if _, podmans := b.front.(*steps); b.closed || v.Minor && !podmans {
		it.state = done // nobody sees it
		return it
	}
	b.items = append(b.items, it)
	b.front.began(it)
	return it
}

func (b *board) Warn(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.front.warn(clean(line))
	}
}

func (b *board) Close(err error) {
	if b.stop != nil {
		b.mu.Lock()
		again := b.closed
		b.mu.Unlock()
		if again {
			return
		}
		close(b.stop)
		<-b.stopped
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	for _, it := range b.items {
		if it.state != running {
			continue
		}
		// Whoever gave up did not wait for it.
		if err == nil {
			it.end(done, nil)
		} else {
			it.end(canceled, context.Canceled)
		}
	}
	b.closed = true
	b.front.close(err)
}

// failures are the vertices that failed by themselves.
func (b *board) failures() (out []*item) {
	for _, it := range b.items {
		if it.state == failed {
			out = append(out, it)
		}
	}
	return out
}

// spent is how long a vertex has taken so far.
func (it *item) spent() time.Duration {
	if it.state == running {
		return it.b.now().Sub(it.started)
	}
	return it.ended.Sub(it.started)
}

func (it *item) Stdout() io.Writer { return stream{it, 1} }
func (it *item) Stderr() io.Writer { return stream{it, 2} }

func (it *item) Status(name string, current, total int64) {
	it.b.mu.Lock()
	defer it.b.mu.Unlock()
	if it.state != running {
		return
	}
	name = clean(name)
	var p *part
	for _, known := range it.parts {
		if known.name == name {
			p = known
		}
	}
	now := it.b.now()
	if p == nil {
		if len(it.parts) == maxParts {
			return
		}
		p = &part{name: name, started: now}
		it.parts = append(it.parts, p)
	}
	if !p.ended.IsZero() {
		return
	}
	p.current, p.total = current, total
	if total < 0 || total > 0 && current >= total {
		p.ended, p.total = now, max(total, 0)
	}
	it.b.front.status(it, p)
}

func (it *item) Done()   { it.finish(done, nil) }
func (it *item) Cached() { it.finish(cached, nil) }

func (it *item) Fail(err error) {
	if errors.Is(err, context.Canceled) {
		it.finish(canceled, err)
		return
	}
	if err == nil {
		err = errors.New("unknown error")
	}
	it.finish(failed, err)
}

func (it *item) finish(s state, err error) {
	it.b.mu.Lock()
	defer it.b.mu.Unlock()
	if it.state == running {
		it.end(s, err)
	}
}

// end is finish for who holds the lock.
func (it *item) end(s state, err error) {
	it.out.flush(it)
	now := it.b.now()
	for _, p := range it.parts {
		if p.ended.IsZero() && (s == done || s == cached) {
			p.ended = now
			it.b.front.status(it, p)
		}
	}
	it.state, it.err, it.ended = s, err, now
	it.b.front.ended(it)
	if s != failed {
		it.log = log{}
	}
}

// reason is why a vertex failed, on one line.
func (it *item) reason() string {
	if it.err == nil {
		return ""
	}
	return clean(it.err.Error())
}
