package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/lock"
	"skiff/state/names"
)

const inside = "SKIFF_TEST_RESOLVER_NAMESPACE"

// TestMain runs the tests of root in a network namespace of their own, where port
// 53 of every address is free.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		if os.Getenv(inside) != "" {
			if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
				panic(string(out))
			}
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("needs root: listens on port 53 in a network namespace of its own")
	}
}

// bed is a run root and a resolver that somebody turns.
type bed struct {
	t     testing.TB
	roots dirs.Roots
	r     *Resolver
	addr  string
	conf  string // the host's resolv.conf
	mu    sync.Mutex
}

// sockets makes the container's, in the namespace of the calling thread.
func sockets(t testing.TB) (udp, tcp int, addr string) {
	t.Helper()
	udp, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 11}}
	for _, fd := range []int{udp, tcp} {
		if err := unix.Bind(fd, at); err != nil {
			t.Fatal(err)
		}
		sa, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		at.Port = sa.(*unix.SockaddrInet4).Port
	}
	if err := unix.Listen(tcp, 16); err != nil {
		t.Fatal(err)
	}
	return udp, tcp, fmt.Sprintf("127.0.0.11:%d", at.Port)
}

// newBed makes the resolver of a container that is in the networks.
func newBed(t testing.TB, st state.NetworkStatus, networks ...string) *bed {
	t.Helper()
	udp, tcp, addr := sockets(t)
	return bedOn(t, udp, tcp, addr, st, networks...)
}

func bedOn(t testing.TB, udp, tcp int, addr string, st state.NetworkStatus, networks ...string) *bed {
	t.Helper()
	b := &bed{t: t, roots: dirs.Roots{Data: t.TempDir(), Run: t.TempDir()}, conf: filepath.Join(t.TempDir(), "resolv.conf"), addr: addr}
	var err error
	if b.r, err = New(b.roots.Run, udp, tcp); err != nil {
		t.Fatal(err)
	}
	b.r.servers.path = b.conf
	for _, n := range networks {
		st.Endpoints = append(st.Endpoints, state.EndpointStatus{Network: n, Names: []string{"x"}})
	}
	if err := b.r.Follow(st); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			unix.Poll([]unix.PollFd{{Fd: int32(b.r.Fd()), Events: unix.POLLIN}}, 20)
			b.mu.Lock()
			b.r.Turn()
			b.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		b.r.Close()
	})
	return b
}

// box publishes a living container's names.
func (b *bed) box(network, digit, name, addrs string, aliases ...string) (names.Entry, *lock.Lock) {
	b.t.Helper()
	e := names.Entry{Dir: b.roots.Network(network), ID: strings.Repeat(digit, 64)[:64], Name: name, Aliases: aliases}
	for _, a := range strings.Fields(addrs) {
		e.Addresses = append(e.Addresses, netip.MustParseAddr(a))
	}
	c := b.roots.Container(e.ID)
	if err := os.MkdirAll(c.Run, 0o700); err != nil {
		b.t.Fatal(err)
	}
	claim, err := lock.Claim(c.Alive())
	if err != nil && !errors.Is(err, lock.ErrBusy) {
		b.t.Fatal(err)
	}
	if err == nil {
		b.t.Cleanup(claim.Release)
	}
	if err := e.Publish(); err != nil {
		b.t.Fatal(err)
	}
	return e, claim
}

// hostServers writes the host's resolv.conf.
func (b *bed) hostServers(addrs ...string) {
	b.t.Helper()
	var text strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&text, "nameserver %s\n", a)
	}
	if err := os.WriteFile(b.conf, []byte(text.String()), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// ask sends a message and gives the answer.
func ask(addr, network string, msg []byte) ([]byte, error) {
	c, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(7 * time.Second))
	if network == "tcp" {
		msg = append([]byte{byte(len(msg) >> 8), byte(len(msg))}, msg...)
	}
	if _, err := c.Write(msg); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16+2)
	if network == "udp" {
		n, err := c.Read(buf)
		return buf[:n], err
	}
	for n := 0; ; {
		k, err := c.Read(buf[n:])
		if err != nil {
			return nil, err
		}
		if n += k; n >= 2 && n == 2+int(buf[0])<<8+int(buf[1]) {
			return buf[2:n], nil
		}
	}
}

// query is a message that asks for a name; size is that of EDNS, 0 for none.
func query(name string, kind dnsmessage.Type, size int) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}}}
	if size > 0 {
		var h dnsmessage.ResourceHeader
		h.SetEDNS0(size, 0, false)
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// show is an answer as text: its records, or its code where it is none of success.
func show(t testing.TB, b []byte) string {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		t.Fatalf("answer %x: %v", b, err)
	}
	if m.ID != 4711 || !m.Response || !m.RecursionAvailable || !m.RecursionDesired {
		t.Errorf("header %+v", m.Header)
	}
	var s []string
	if m.RCode != dnsmessage.RCodeSuccess {
		s = append(s, m.RCode.String())
	}
	for _, a := range m.Answers {
		switch r := a.Body.(type) {
		case *dnsmessage.AResource:
			s = append(s, netip.AddrFrom4(r.A).String())
		case *dnsmessage.AAAAResource:
			s = append(s, netip.AddrFrom16(r.AAAA).String())
		case *dnsmessage.PTRResource:
			s = append(s, r.PTR.String())
		default:
			s = append(s, a.Body.GoString())
		}
		if !strings.EqualFold(a.Header.Name.String(), m.Questions[0].Name.String()) {
			t.Errorf("a record of %s answers %s", a.Header.Name, m.Questions[0].Name)
		}
	}
	if m.Truncated {
		s = append(s, "truncated")
	}
	return strings.Join(s, " ")
}

// wants asks over UDP and TCP.
func (b *bed) wants(name string, kind dnsmessage.Type, want string) {
	b.t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		got, err := ask(b.addr, network, query(name, kind, 0))
		if err != nil {
			b.t.Errorf("%s %v over %s: %v", name, kind, network, err)
			continue
		}
		if s := show(b.t, got); s != want {
			b.t.Errorf("%s %v over %s: got %q want %q", name, kind, network, s, want)
		}
	}
}

// server notes what it is asked.
type server struct {
	mu    sync.Mutex
	asked []string // "udp name type"
}

func (s *server) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *server) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

// serve runs a name server at port 53 of the address. how makes an answer of the
// question.
func serve(t testing.TB, addr string, how func(network string, m *dnsmessage.Message) [][]byte) *server {
	t.Helper()
	needsRoot(t)
	s := &server{}
	pc, err := net.ListenPacket("udp", addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close(); l.Close() })
	handle := func(network string, b []byte) [][]byte {
		var m dnsmessage.Message
		if err := m.Unpack(b); err != nil {
			t.Errorf("question %x: %v", b, err)
			return nil
		}
		s.note(fmt.Sprint(network, " ", m.Questions[0].Name, " ", m.Questions[0].Type))
		m.Response, m.RecursionAvailable = true, true
		m.Additionals = nil
		return how(network, &m)
	}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, a := range handle("udp", buf[:n]) {
				pc.WriteTo(a, from)
			}
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1<<16)
				n := 0
				for n < 2 || n < 2+int(buf[0])<<8+int(buf[1]) {
					k, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					n += k
				}
				for _, a := range handle("tcp", buf[2:n]) {
					c.Write(append([]byte{byte(len(a) >> 8), byte(len(a))}, a...))
				}
			}()
		}
	}()
	return s
}

func pack(m *dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// fixed answers with an address.
func fixed(addr string) func(string, *dnsmessage.Message) [][]byte {
	return func(_ string, m *dnsmessage.Message) [][]byte {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
		}}
		return [][]byte{pack(m)}
	}
}

func failing(c dnsmessage.RCode) func(string, *dnsmessage.Message) [][]byte {
	return func(_ string, m *dnsmessage.Message) [][]byte {
		m.RCode = c
		return [][]byte{pack(m)}
	}
}
