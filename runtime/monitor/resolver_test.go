package monitor_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/names"
)

// resolverSockets are those of a resolver, and where it is.
func resolverSockets() (fds []int, where string, err error) {
	at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 11}}
	for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, "", err
		}
		fds = append(fds, fd)
		if err := unix.Bind(fd, at); err != nil {
			return nil, "", err
		}
		sa, err := unix.Getsockname(fd)
		if err != nil {
			return nil, "", err
		}
		at.Port = sa.(*unix.SockaddrInet4).Port
	}
	return fds, fmt.Sprintf("127.0.0.11:%d", at.Port), unix.Listen(fds[1], 10)
}

// asked is a client of a resolver.
type asked struct {
	t    testing.TB
	c    net.Conn
	name string
	msg  []byte
}

func ask(t testing.TB, st state.Status, name string) *asked {
	t.Helper()
	c, err := net.Dial("udp", st.Network.Endpoints[0].IP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	msg, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return &asked{t: t, c: c, name: name, msg: msg}
}

// answer gives the first address, or the code.
func (a *asked) answer() string {
	a.t.Helper()
	buf := make([]byte, 600)
	a.c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := a.c.Write(a.msg); err != nil {
		return err.Error()
	}
	n, err := a.c.Read(buf)
	if err != nil {
		return err.Error()
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:n]); err != nil {
		a.t.Fatalf("%x: %v", buf[:n], err)
	}
	if len(m.Answers) == 0 {
		return m.RCode.String()
	}
	return netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()
}

func (b *box) publish(name, addr string) {
	b.t.Helper()
	e := names.Entry{Dir: b.store.Roots.Network("net"), ID: b.c.ID, Name: name, Addresses: []netip.Addr{netip.MustParseAddr(addr)}}
	if err := e.Publish(); err != nil {
		b.t.Fatal(err)
	}
}

// closed fails the test unless nobody answers any more.
func (a *asked) closed() {
	a.t.Helper()
	eventually(a.t, "the resolver's socket is closed", func() bool {
		pc, err := net.ListenPacket("udp", a.c.RemoteAddr().String())
		if err == nil {
			pc.Close()
		}
		return err == nil
	})
}

func TestNamesAreAnsweredWhileTheContainerRuns(t *testing.T) {
	b := newBox(t, fake{Script: "read x; exit 1", Names: true})
	b.launch.OpenStdin = true
	b.launch.Restart = state.RestartPolicy{Name: state.RestartOnFailure, MaxRetries: 1}
	b.publish("web", "10.1.0.2")
	s := b.start()
	first := ask(t, s.Status(), "web")
	if got := first.answer(); got != "10.1.0.2" {
		t.Errorf("got %q", got)
	}
	b.publish("web", "10.1.0.3")
	if got := first.answer(); got != "10.1.0.3" {
		t.Errorf("a new address: got %q", got)
	}
	if got := ask(t, s.Status(), "other").answer(); got != "RCodeNameError" {
		t.Errorf("another name: got %q", got)
	}
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	first.closed()
	eventually(t, "the second run", func() bool { st := b.status(); return st.Phase == state.Running && st.RestartCount == 1 })
	again := ask(t, b.status().Status, "web")
	if got := again.answer(); got != "10.1.0.3" {
		t.Errorf("in the second run: got %q", got)
	}
	unix.Kill(b.status().Pid, unix.SIGKILL)
	again.closed()
	b.nothingRuns()
}

// TestNamesFollowChangesOfTheNetwork: sockets come with the first network that has
// names, and the answers are those of the networks of the moment.
func TestNamesFollowChangesOfTheNetwork(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	b.publish("web", "10.1.0.2")
	s := b.start()
	fds, where, err := resolverSockets()
	if err != nil {
		t.Fatal(err)
	}
	st := s.Status()
	change := func(files []*os.File, networks ...string) {
		t.Helper()
		n := wire.Network{Pid: st.Pid, PidStart: st.PidStart, Network: state.NetworkStatus{Resolver: true, Closed: true}}
		for _, name := range networks {
			n.Network.Endpoints = append(n.Network.Endpoints, state.EndpointStatus{Network: name, Names: []string{"box"}, IP: where})
		}
		if err := b.dial().Network(n, files); err != nil {
			t.Fatal(err)
		}
	}
	sockets := []*os.File{os.NewFile(uintptr(fds[0]), "udp"), os.NewFile(uintptr(fds[1]), "tcp")}
	change(sockets, "net")
	for _, f := range sockets {
		f.Close() // the monitor has its own
	}
	a := ask(t, b.status().Status, "web")
	if got := a.answer(); got != "10.1.0.2" {
		t.Errorf("got %q", got)
	}
	change(nil, "other")
	if got := a.answer(); got != "RCodeNameError" {
		t.Errorf("in another network: got %q", got)
	}
	change(nil, "other", "net")
	if got := a.answer(); got != "10.1.0.2" {
		t.Errorf("in both: got %q", got)
	}
	unix.Kill(st.Pid, unix.SIGKILL)
	b.run(s)
	a.closed()
}

// TestResolverMemory: a monitor that has answered ten thousand questions is no
// larger than another one, nor one that was sent as much garbage.
func TestResolverMemory(t *testing.T) {
	b := newBox(t, fake{Script: "read x", Names: true})
	b.program = buildProgram(t)
	b.launch.OpenStdin = true
	b.publish("web", "10.1.0.2")
	s := b.start()
	good, bad := ask(t, s.Status(), "web"), ask(t, s.Status(), "web")
	bad.msg = bad.msg[:15]
	began := time.Now()
	for range 10_000 {
		if got := good.answer(); got != "10.1.0.2" {
			t.Fatalf("got %q", got)
		}
	}
	took := time.Since(began)
	for range 10_000 {
		bad.c.Write(bad.msg)
	}
	time.Sleep(2500 * time.Millisecond) // what is measured is how it rests
	dirty := rollup(t, s.Status().Monitor, "Private_Dirty")
	t.Logf("%d questions a second; private dirty %d KiB", int(10_000/took.Seconds()), dirty>>10)
	if dirty > maxIdle {
		t.Errorf("it has %d bytes of its own, want at most %d", dirty, maxIdle)
	}
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	b.run(s)
}
