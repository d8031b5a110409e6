package monitor

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for descriptors and timers and calls what belongs to them, all in
// one goroutine, so that nothing in this package needs a lock.
type loop struct {
	ep      int
	gen     int32
	watches map[int]*watch
	timers  []*timer
	events  [16]unix.EpollEvent
}

// watch is one descriptor in the loop.
type watch struct {
	fd     int
	gen    int32 // tells a descriptor from an earlier one of the same number
	events uint32
	ready  func(events uint32)
}

type timer struct {
	at   time.Time
	call func()
}

func newLoop() (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{ep: ep, watches: make(map[int]*watch)}, nil
}

// add begins to watch fd. Hang-ups and errors are reported whatever events says.
func (l *loop) add(fd int, events uint32, ready func(uint32)) (*watch, error) {
	l.gen++
	w := &watch{fd: fd, gen: l.gen, events: events, ready: ready}
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: w.gen}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return nil, err
	}
	l.watches[fd] = w
	return w, nil
}

// set changes what is waited for.
func (l *loop) set(w *watch, events uint32) {
	if w == nil || w.events == events || l.watches[w.fd] != w {
		return
	}
	w.events = events
	ev := unix.EpollEvent{Events: events, Fd: int32(w.fd), Pad: w.gen}
	unix.EpollCtl(l.ep, unix.EPOLL_CTL_MOD, w.fd, &ev)
}

// remove stops watching; the descriptor stays open.
func (l *loop) remove(w *watch) {
	if w == nil || l.watches[w.fd] != w {
		return
	}
	delete(l.watches, w.fd)
	unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, w.fd, nil)
}

// after calls f once, d from now, unless the timer is stopped.
func (l *loop) after(d time.Duration, f func()) *timer {
	t := &timer{call: f}
	l.start(t, d)
	return t
}

// start has a timer that does not run call once, d from now, unless it is stopped.
func (l *loop) start(t *timer, d time.Duration) {
	t.at = time.Now().Add(d)
	l.timers = append(l.timers, t)
}

// waits says that a timer runs.
func (l *loop) waits(t *timer) bool { return slices.Contains(l.timers, t) }

// stop takes a timer out; nil and one that has run are allowed.
func (l *loop) stop(t *timer) {
	for i := range l.timers {
		if l.timers[i] == t {
			l.timers = append(l.timers[:i], l.timers[i+1:]...)
			return
		}
	}
}

// turn waits for something to happen and handles it.
func (l *loop) turn() error {
	n, err := unix.EpollWait(l.ep, l.events[:], l.timeout())
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for i := range max(n, 0) {
		ev := &l.events[i]
		w := l.watches[int(ev.Fd)]
		if w != nil && w.gen == ev.Pad {
			w.ready(ev.Events)
		}
	}
	l.runTimers()
	return nil
}

// timeout is how many milliseconds there are to the next timer, -1 without one.
func (l *loop) timeout() int {
	if len(l.timers) == 0 {
		return -1
	}
	next := l.timers[0].at
	for _, t := range l.timers[1:] {
		if t.at.Before(next) {
			next = t.at
		}
	}
	d := time.Until(next)
	if d <= 0 {
		return 0
	}
	return int(d/time.Millisecond) + 1
}

func (l *loop) runTimers() {
	for i := 0; i < len(l.timers); {
		t := l.timers[i]
		if time.Now().Before(t.at) {
			i++
			continue
		}
		l.stop(t)
		t.call()
		i = 0
	}
}
