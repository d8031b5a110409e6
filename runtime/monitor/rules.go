package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state/lock"
)

// Somebody may take away the packet rules that a container needs: a person, or
// another program that sets the firewall up anew. Every monitor learns of it, and one
// of them has skiff restore the rules of all containers.
const (
	// settleTime is how long others' changes may go on before the rules are looked at.
	settleTime = 50 * time.Millisecond
	// yieldTime is how long another monitor is given to restore them, and up to
	// yieldSpread more: a thousand that ask often would keep it from that.
	yieldTime   = 500 * time.Millisecond
	yieldSpread = time.Second
	// pollTime is how often legacy tables are looked at, which tell no news.
	pollTime = time.Second
	// restoreTries bounds how often it is tried where it fails.
	restoreTries = 5
)

// restoreLock is a file in wire.Watch.Dir, where no network has a name that begins with
// a dot: who has locked it may restore the rules. It says when the last restoring
// began that succeeded.
const restoreLock = ".reload.lock"

// ruleWatch is what one run of the container needs for it.
type ruleWatch struct {
	m       *monitor
	dir     string
	sockets []int
	watches []*watch
	// lost is the time of the latest news that nobody is known to have acted on; 0
	// without.
	lost  int64
	timer *timer
	// restoring is the process that is at it, 0 without, and began when it did.
	restoring int
	began     int64
	held      *lock.Lock
	failures  int
	legacy    legacyWatch
}

// watchRules takes the sockets over that the start stage has made, before it added
// rules: what they have to tell waits until the program runs.
func (m *monitor) watchRules(w *wire.Watch, fds []int) (rest []int) {
	if w == nil || w.Sockets < 1 || w.Sockets > len(fds) {
		return fds
	}
	m.rules = &ruleWatch{m: m, dir: w.Dir, sockets: slices.Clone(fds[:w.Sockets])}
	return fds[w.Sockets:]
}

// listen begins to act on news.
func (r *ruleWatch) listen() {
	if r == nil {
		return
	}
	for _, fd := range r.sockets {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		switch {
		case err != nil:
		case domain == unix.AF_NETLINK:
			if w, err := r.m.loop.add(fd, unix.EPOLLIN, func(uint32) { r.news(fd) }); err == nil {
				r.watches = append(r.watches, w)
			}
		default:
			r.legacy.begin(r, fd)
		}
	}
}

// close forgets it all. A process that restores the rules goes on by itself.
func (r *ruleWatch) close() {
	if r == nil {
		return
	}
	for _, w := range r.watches {
		r.m.loop.remove(w)
	}
	r.m.loop.stop(r.timer)
	r.m.loop.stop(r.legacy.timer)
	delete(r.m.helpers, r.restoring)
	r.held.Release()
	closeAll(r.sockets)
	r.m.rules = nil
}

// news empties the socket: whatever it says, the rules have to be looked at. So
// they have when the kernel had to leave something out.
func (r *ruleWatch) news(fd int) {
	var some [64]byte // of each message; the rest of it is dropped
	for {
		_, _, err := unix.Recvfrom(fd, some[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		if err == unix.EAGAIN {
			break
		}
		if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return
		}
	}
	r.changed()
}

// changed has the rules looked at before long.
func (r *ruleWatch) changed() {
	r.lost, r.failures = monotonic(), 0
	if r.timer == nil && r.restoring == 0 {
		// Those that are told the same do not all come at once.
		r.lookIn(settleTime + time.Duration(unix.Getpid()%64)*time.Millisecond)
	}
}

func (r *ruleWatch) lookIn(d time.Duration) { r.timer = r.m.loop.after(d, r.look) }

// look has the rules restored, unless another monitor did so since the news came or
// is about to.
func (r *ruleWatch) look() {
	r.timer = nil
	path := filepath.Join(r.dir, restoreLock)
	r.m.churn += 8 << 10
	r.m.busy()
	if lastRestored(path) > r.lost {
		r.lost = 0
		return
	}
	l, err := lock.Try(path)
	if err != nil {
		if _, gone := os.Stat(r.dir); gone == nil {
			r.lookIn(yieldTime + time.Duration(unix.Getpid()%64)*yieldSpread/64)
		}
		return
	}
	if lastRestored(path) > r.lost {
		l.Release()
		r.lost = 0
		return
	}
	r.began = monotonic()
	pid, err := r.m.runOn("reload-networks", r.m.p.ID, 0, []int{r.m.null, r.m.null, r.m.null})
	if err != nil {
		l.Release()
		r.failed()
		return
	}
	r.held, r.restoring = l, pid
	r.m.helpers[pid] = r.restored
}

// restored is called when the process has ended that restores the rules.
func (r *ruleWatch) restored(ws unix.WaitStatus) {
	r.restoring = 0
	if ws == 0 {
		unix.Pwrite(r.held.Fd(), fmt.Appendf(nil, "%020d\n", r.began), 0)
	}
	r.held.Release()
	r.held = nil
	r.legacy.remember()
	switch {
	case ws != 0:
		r.failed()
	case r.lost > r.began:
		r.lookIn(settleTime)
	default:
		r.lost, r.failures = 0, 0
	}
}

// failed tries again later, some times.
func (r *ruleWatch) failed() {
	if r.failures++; r.failures < restoreTries {
		r.lookIn(time.Second << r.failures)
	}
}

// lastRestored is the time in the lock's file, 0 without. It is written at once and
// always as long, so that it may be read without the lock.
func lastRestored(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	t, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return t
}

// monotonic is the time since the boot in nanoseconds, the same for all processes.
func monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano()
}
