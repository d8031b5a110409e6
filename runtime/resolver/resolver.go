// Package resolver answers what a container asks about names: what others of its
// networks are called it reads from state/names at each question, anything else it
// passes on to other servers.
//
// It is one descriptor in the monitor's loop, and does everything when that is
// ready, in one goroutine. Whatever the container sends, it takes a bounded amount
// of memory and time, and makes no garbage.
//
// The monitor links it: standard library, x/sys and state only. Not here: making
// the container's sockets (netsetup), and publishing names.
package resolver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/names"
)

const (
	// Address is where a container asks.
	Address = "127.0.0.11"
	// tick is how often deadlines are looked at while there are any, pause how long
	// nothing is taken from a container that asks too much.
	tick  = 250 * time.Millisecond
	pause = 5 * time.Millisecond
	// perSecond bounds the questions that are taken, burst those at once: what a
	// container asks is done on the host's account and not on its own.
	perSecond = 10_000
	burst     = 1_000
	// atOnce bounds what is done before the monitor has its turn again.
	atOnce = 64
	// maxAddresses bounds an answer that has room for more: TCP's.
	maxAddresses = 4000
)

// Kinds of descriptors in the epoll set; the number of the forward or connection is
// added to the last three.
const (
	tagUDP = iota
	tagTCP
	tagTimer
	tagForward  = 1 << 16
	tagConn     = 2 << 16
	tagUpstream = 3 << 16
)

// Resolver answers one container.
type Resolver struct {
	ep, timer int
	udp, tcp  int
	deaf      bool // not listening for a moment
	events    [16]unix.EpollEvent
	armed     int64 // when the timer runs, 0 for never
	epoch     time.Time
	now       int64 // since epoch, in nanoseconds
	tokens    int64 // questions that may be taken now
	refilled  int64
	limit     int64 // questions a second

	names    *names.Reader
	networks []network
	links    []link
	servers  servers

	mem      []byte // all of the buffers
	in, out  []byte // one message each
	queries  []byte // maxQuery bytes per forward
	forwards []forward
	conns    []conn
	q        question
	name     [256]byte
	text     [64]byte
	found    []netip.Addr
	gen      int32
}

// network is one whose names are known.
type network struct {
	name   string
	suffix []byte // ".name", in lower case
}

// link is a name that only this container knows another one by.
type link struct{ name, short, id []byte }

// New makes the resolver of the container whose state is below the run root. The
// sockets are its from then on, also on error.
func New(run string, udp, tcp int) (_ *Resolver, err error) {
	r := &Resolver{ep: -1, timer: -1, udp: udp, tcp: tcp, epoch: time.Now(), limit: perSecond, tokens: burst}
	r.servers.home, r.servers.inner = -1, -1
	defer func() {
		if err != nil {
			r.Close()
			err = fmt.Errorf("cannot answer the container's questions for names: %w", err)
		}
	}()
	if r.names, err = names.NewReader(run); err != nil {
		return nil, err
	}
	if err := r.allocate(); err != nil {
		return nil, err
	}
	if r.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if r.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, err
	}
	for _, w := range []struct{ fd, tag int }{{udp, tagUDP}, {tcp, tagTCP}, {r.timer, tagTimer}} {
		if err := unix.SetNonblock(w.fd, true); err != nil {
			return nil, err
		}
		if err := r.watch(unix.EPOLL_CTL_ADD, w.fd, unix.EPOLLIN, int32(w.tag), 0); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// allocate maps the buffers. What is not touched of them costs nothing.
func (r *Resolver) allocate() (err error) {
	const message = 64 << 10
	size := 2*message + maxForwards*maxQuery + maxConns*connSize
	if r.mem, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err != nil {
		return err
	}
	unix.Madvise(r.mem, unix.MADV_NOHUGEPAGE)
	rest := r.mem
	take := func(n int) []byte {
		b := rest[:n:n]
		rest = rest[n:]
		return b
	}
	r.in, r.out, r.queries = take(message), take(message), take(maxForwards*maxQuery)
	r.forwards = make([]forward, maxForwards)
	for i := range r.forwards {
		r.forwards[i].fd = -1
	}
	r.conns = make([]conn, maxConns)
	for i := range r.conns {
		r.conns[i] = conn{fd: -1, up: -1, place: i, query: take(maxTCPQuery), reply: take(connSize - maxTCPQuery)}
	}
	return nil
}

// Fd is to be watched for input, and Turn called when there is some.
func (r *Resolver) Fd() int { return r.ep }

// Follow takes over what the container's networks are now.
func (r *Resolver) Follow(st state.NetworkStatus) error {
	r.networks, r.links = nil, nil
	for _, e := range st.Endpoints {
		if len(e.Names) == 0 || filepath.Base(e.Network) != e.Network {
			continue
		}
		r.networks = append(r.networks, network{e.Network, []byte("." + strings.ToLower(e.Network))})
	}
	for alias, id := range st.Links {
		if name, ok := names.Lower(alias); ok && state.IsID(id) {
			r.links = append(r.links, link{[]byte(name), []byte(id[:12]), []byte(id)})
		}
	}
	return r.servers.follow(st, r.udp)
}

// Close ends it, and with it all that is under way.
func (r *Resolver) Close() {
	for i := range r.forwards {
		r.drop(&r.forwards[i])
	}
	for i := range r.conns {
		r.hangUp(&r.conns[i])
	}
	for _, fd := range []*int{&r.udp, &r.tcp, &r.timer, &r.ep} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	r.servers.close()
	if r.names != nil {
		r.names.Close()
	}
	if r.mem != nil {
		unix.Munmap(r.mem)
		r.mem = nil
	}
}

// Trim gives memory back that only a busy resolver needs, if it is not busy.
func (r *Resolver) Trim() {
	if r.mem != nil && !r.busy() {
		unix.Madvise(r.mem, unix.MADV_DONTNEED)
		r.names.Trim()
	}
}

func (r *Resolver) busy() bool {
	for i := range r.forwards {
		if r.forwards[i].fd >= 0 {
			return true
		}
	}
	for i := range r.conns {
		if r.conns[i].fd >= 0 {
			return true
		}
	}
	return false
}

// watch changes what is waited for. gen tells a descriptor from an earlier one of
// the same number.
func (r *Resolver) watch(op, fd int, events uint32, tag, gen int32) error {
	ev := unix.EpollEvent{Events: events, Fd: tag, Pad: gen}
	return unix.EpollCtl(r.ep, op, fd, &ev)
}

// Turn does what there is to do, but not much more than atOnce questions' worth.
func (r *Resolver) Turn() {
	n, err := unix.EpollWait(r.ep, r.events[:], 0)
	if err != nil {
		return
	}
	r.now = int64(time.Since(r.epoch))
	for _, ev := range r.events[:max(n, 0)] {
		switch i := int(ev.Fd & 0xffff); ev.Fd &^ 0xffff {
		case tagForward:
			if f := &r.forwards[i]; f.fd >= 0 && f.gen == ev.Pad {
				r.answered(f, i)
			}
		case tagConn:
			if c := &r.conns[i]; c.fd >= 0 && c.gen == ev.Pad {
				r.served(c, ev.Events)
			}
		case tagUpstream:
			if c := &r.conns[i]; c.up >= 0 && c.upgen == ev.Pad {
				r.upstream(c, ev.Events)
			}
		default:
			switch ev.Fd {
			case tagUDP:
				r.takeUDP()
			case tagTCP:
				r.takeTCP()
			case tagTimer:
				r.expired()
			}
		}
	}
	r.arm()
}

// may takes a token for one question. Without any the container is not listened to
// for a moment.
func (r *Resolver) may() bool {
	if r.tokens == 0 {
		r.refill()
	}
	if r.tokens == 0 {
		r.listen(false)
		return false
	}
	r.tokens--
	return true
}

func (r *Resolver) refill() {
	if since := min(r.now-r.refilled, int64(time.Second)); since > 0 {
		if n := min(burst, since*r.limit/int64(time.Second)); n > 0 {
			r.tokens, r.refilled = n, r.now
		}
	}
}

func (r *Resolver) listen(yes bool) {
	if r.deaf == !yes {
		return
	}
	r.deaf = !yes
	var events uint32
	if yes {
		events = unix.EPOLLIN
	}
	r.watch(unix.EPOLL_CTL_MOD, r.udp, events, tagUDP, 0)
	r.watch(unix.EPOLL_CTL_MOD, r.tcp, events, tagTCP, 0)
}

// arm sets the timer for the next time that something has to be looked at.
func (r *Resolver) arm() {
	var at int64
	switch {
	case r.deaf:
		at = r.now + int64(pause)
	case r.busy():
		at = r.now + int64(tick)
	}
	if at == 0 || r.armed > r.now && r.armed <= at {
		return // one that runs for nothing is stopped when it does
	}
	r.armed = at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at - r.now)}
	unix.TimerfdSettime(r.timer, 0, &spec, nil)
}

// expired looks at the deadlines.
func (r *Resolver) expired() {
	var count [8]byte
	unix.Read(r.timer, count[:])
	r.armed = 0
	if r.deaf {
		r.listen(true)
	}
	for i := range r.forwards {
		if f := &r.forwards[i]; f.fd >= 0 && r.now >= f.until {
			r.tryNext(f, i)
		}
	}
	for i := range r.conns {
		if c := &r.conns[i]; c.fd >= 0 && r.now >= c.until {
			r.late(c)
		}
	}
}

// takeUDP takes what the container has asked.
func (r *Resolver) takeUDP() {
	var from client
	for range atOnce {
		if !r.may() {
			return
		}
		n, errno := receive(r.udp, r.in, &from)
		if errno != 0 {
			return
		}
		if n > maxQuery {
			n = 0 // no question is as long; without a header there is no answer
		}
		c, ok := r.q.parse(r.in[:n], &r.name)
		if !ok {
			continue
		}
		q := &r.q
		if msg, mine := r.local(q, c, q.size); mine {
			send(r.udp, msg, &from)
			continue
		}
		r.forward(q, &from)
	}
}

// local is the answer to what is no question for other servers.
func (r *Resolver) local(q *question, c code, limit int) (msg []byte, mine bool) {
	p := reply{buf: r.out[:0]}
	if c == noError {
		if known := r.answer(q, &p, limit); known {
			return p.end(q, noError), true
		}
		if r.servers.any() {
			return nil, false
		}
		c = nameError // there is nothing beside the networks
	}
	p.begin(q, c, limit)
	return p.end(q, c), true
}

// fail is the answer where no other server has one.
func (r *Resolver) fail(q *question) []byte {
	p := reply{buf: r.out[:0]}
	p.begin(q, serverFailure, q.size)
	return p.end(q, serverFailure)
}

// answer writes what is known of the question's name; false for nothing.
func (r *Resolver) answer(q *question, p *reply, limit int) bool {
	if q.class != classIN || !q.plain {
		return false
	}
	p.begin(q, noError, limit)
	if isLocalhost(q.name) {
		if q.kind == typeA || q.kind == typeANY {
			p.address(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
		}
		if q.kind == typeAAAA || q.kind == typeANY {
			p.address(netip.IPv6Loopback())
		}
		return true
	}
	if q.kind == typePTR {
		if addr, ok := reverse(q.name, &r.text); ok {
			return r.pointer(addr, p)
		}
	}
	if !names.Valid(q.name) || len(r.networks) == 0 {
		return false
	}
	four, six := q.kind == typeA || q.kind == typeANY, q.kind == typeAAAA || q.kind == typeANY
	turn, _ := random()
	known := false
	if four || !six {
		known = r.addresses(q.name, p, turn, false, four)
	}
	if six {
		known = r.addresses(q.name, p, turn, true, true) || known
	}
	return known
}

func isLocalhost(name []byte) bool {
	return string(name) == "localhost" || len(name) > 10 && string(name[len(name)-10:]) == ".localhost"
}

// addresses adds those of one family that the first network has in which the name
// is known, as Docker does; none where it is only asked whether it is known.
func (r *Resolver) addresses(name []byte, p *reply, turn uint32, six, wanted bool) (known bool) {
	size := 12 + 4
	if six {
		size = 12 + 16
	}
	q := names.Query{Six: six, Turn: turn}
	if wanted {
		q.Most = min(p.room(size), maxAddresses)
	}
	look := func(nw *network, id, name []byte) (done bool) {
		q.Network, q.Name, q.ID = nw.name, name, id
		var here, more bool
		r.found, here, more = r.names.Look(r.found[:0], q)
		for _, a := range r.found {
			p.address(a)
		}
		if more && wanted {
			p.truncate()
		}
		known = known || here
		return len(r.found) > 0 || more || here && !wanted
	}
	for i := range r.links {
		if string(r.links[i].name) != string(name) {
			continue
		}
		for j := range r.networks {
			if look(&r.networks[j], r.links[i].id, r.links[i].short) {
				return true
			}
		}
	}
	for i := range r.networks {
		nw := &r.networks[i]
		if look(nw, nil, name) {
			return true
		}
		// NAME.NETWORK, as Docker has it.
		if n := len(name) - len(nw.suffix); n > 0 && string(name[n:]) == string(nw.suffix) && look(nw, nil, name[:n]) {
			return true
		}
	}
	return known
}

// pointer adds the name of the container with the address: NAME.NETWORK, as Docker
// has it.
func (r *Resolver) pointer(addr []byte, p *reply) bool {
	for i := range r.networks {
		nw := &r.networks[i]
		name, ok := r.names.Name(nw.name, addr)
		if !ok {
			continue
		}
		var buf [256]byte
		if b := appendName(appendName(buf[:0], name), nw.suffix[1:]); b != nil && len(b) < 255 {
			p.record(typePTR, append(b, 0))
			return true
		}
		if b := appendName(buf[:0], name); b != nil {
			p.record(typePTR, append(b, 0))
			return true
		}
	}
	return false
}

// appendName adds a name's parts, each with its length before it; nil for what is no
// name in DNS.
func appendName(b, name []byte) []byte {
	if b == nil || !names.Valid(name) || len(b)+len(name)+2 > cap(b) {
		return nil
	}
	at := len(b)
	b = append(b, 0)
	for _, c := range name {
		if c == '.' {
			at = len(b)
			b = append(b, 0)
			continue
		}
		b[at]++
		b = append(b, c)
	}
	return b
}

// number gives a message another number.
func number(msg []byte, id uint16) { binary.BigEndian.PutUint16(msg, id) }

// gone says that a call failed for another reason than that it would have to wait.
func gone(err error) bool {
	return err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
}
