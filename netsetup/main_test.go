package netsetup

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

const inside = "SKIFF_TEST_NETWORK_NAMESPACE"

// TestMain runs the tests of root in a network namespace of their own, which
// stands for the host.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		if os.Geteuid() == 0 {
			run("ip", "link", "set", "lo", "up")
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

func run(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		panic(fmt.Sprintf("%v: %v: %s", args, err, out))
	}
	return string(out)
}

// host is the machine: a manager with roots of its own and one neighbour on
// the wire.
type host struct {
	t *testing.T
	m *Manager
	// outside is another machine: 198.51.100.2 and 2001:db8::2, the host being .1.
	outside *link.Namespace
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("needs root: makes network namespaces")
	}
	before := machine()
	dir := t.TempDir()
	h := &host{t: t, m: &Manager{Roots: dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}}}
	var err error
	if h.outside, err = link.NewNamespace(); err != nil {
		t.Fatal(err)
	}
	run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", h.outside.Path())
	run("sysctl", "-qw", "net.ipv6.conf.wire.accept_dad=0")
	run("ip", "addr", "add", "198.51.100.1/24", "dev", "wire")
	run("ip", "addr", "add", "2001:db8::1/64", "dev", "wire", "nodad")
	run("ip", "link", "set", "wire", "up")
	in := func(args ...string) { run(append([]string{"nsenter", "--net=" + h.outside.Path()}, args...)...) }
	in("sysctl", "-qw", "net.ipv6.conf.wire.accept_dad=0")
	in("ip", "addr", "add", "198.51.100.2/24", "dev", "wire")
	in("ip", "addr", "add", "2001:db8::2/64", "dev", "wire", "nodad")
	in("ip", "link", "set", "wire", "up")
	t.Cleanup(func() {
		run("ip", "link", "del", "wire")
		h.outside.Close()
		if err := h.m.Collect(); err != nil {
			t.Error(err)
		}
		if after := machine(); after != before {
			t.Errorf("left over:\n%s\nbefore:\n%s", after, before)
		}
	})
	return h
}

// machine is all that a test may leave behind, as text. The empty chains that
// the iptables programs make of themselves do not count.
func machine() string {
	var b strings.Builder
	for line := range strings.Lines(run("ip", "-br", "link")) {
		name, _, _ := strings.Cut(line, " ")
		b.WriteString(name + "\n")
	}
	for line := range strings.Lines(run("nft", "list", "tables")) {
		if strings.HasPrefix(line, "table inet") {
			b.WriteString(line)
		}
	}
	for _, save := range []string{"iptables-save", "ip6tables-save", "iptables-legacy-save"} {
		for line := range strings.Lines(run(save)) {
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":SKIFF") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// box is a container as far as the network goes: a namespace and a claim.
type box struct {
	h   *host
	id  string
	ns  *link.Namespace
	res Result
	ip  string
}

var boxes int

func newID() string {
	boxes++
	return fmt.Sprintf("%010x%054x", boxes, 0)
}

func (h *host) start(n state.Network) (*box, error) {
	h.t.Helper()
	if n.Mode == state.ModeBridge && n.Endpoints == nil {
		n.Endpoints = []state.Endpoint{{Network: state.DefaultNetwork}}
	}
	b := &box{h: h, id: newID()}
	c := h.m.Roots.Container(b.id)
	for _, d := range []string{c.Data, c.Run} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	claim, err := lock.Claim(c.Alive())
	if err != nil {
		h.t.Fatal(err)
	}
	if b.ns, err = h.m.NewNamespace(); err != nil {
		h.t.Fatal(err)
	}
	b.res, err = h.m.Setup(h.t.Context(), Request{ID: b.id, Name: "box", Network: n, NS: b.ns, Dir: c})
	h.t.Cleanup(func() {
		claim.Release()
		b.ns.Close()
		b.res.Close()
		if err := h.m.Teardown(b.id, state.NetworkStatus{}); err != nil {
			h.t.Error(err)
		}
	})
	if err != nil {
		return nil, err
	}
	b.ip = b.res.Status.Endpoints[0].IP
	return b, nil
}

// bridged is the usual network.
func bridged(ports ...state.Port) state.Network {
	return state.Network{Mode: state.ModeBridge, Ports: ports, Endpoints: []state.Endpoint{{Network: state.DefaultNetwork}}}
}

// network writes the record of a network of the user's.
func (h *host) network(r state.NetworkRecord) {
	h.t.Helper()
	r.Version, r.ID = state.NetworkVersion, fmt.Sprintf("%064x", sha256.Sum256([]byte(r.Name)))
	if r.Driver == "" {
		r.Driver, r.Bridge = state.DriverBridge, cmp.Or(r.Bridge, "br-"+r.Name)
	}
	path := h.m.Roots.NetworkRecord(r.Name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), jsonfile.Write(path, r, jsonfile.Volatile)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) box(ports ...state.Port) *box {
	h.t.Helper()
	b, err := h.start(bridged(ports...))
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// in runs fn in the namespace, or on the host where it is nil.
func in(ns *link.Namespace, fn func() error) error {
	if ns == nil {
		return fn()
	}
	return ns.Do(fn)
}

// serve answers every TCP connection and UDP datagram on the address with the
// client's address.
func serve(t *testing.T, ns *link.Namespace, network, addr string) {
	t.Helper()
	if strings.HasPrefix(network, "udp") {
		var pc net.PacketConn
		err := in(ns, func() (err error) { pc, err = net.ListenPacket(network, addr); return err })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pc.Close() })
		go func() {
			buf := make([]byte, 100)
			for {
				_, from, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(from.String())
				pc.WriteTo([]byte(host), from)
			}
		}()
		return
	}
	var l net.Listener
	err := in(ns, func() (err error) { l, err = net.Listen(network, addr); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				c.Read(make([]byte, 1))
				io.WriteString(c, host)
				io.Copy(io.Discard, c) // until the client has read it
				c.Close()
			}()
		}
	}()
}

// ask connects and gives what the server says: the address it sees.
func ask(ns *link.Namespace, network, addr string) (string, error) {
	return askFor(2*time.Second, ns, network, addr)
}

// askFor is ask with a bound on each part of it.
func askFor(patience time.Duration, ns *link.Namespace, network, addr string) (string, error) {
	var c net.Conn
	err := in(ns, func() (err error) { c, err = net.DialTimeout(network, addr, patience); return err })
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte("?"))
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func tcp(host, container uint16) state.Port {
	return state.Port{HostPort: host, ContainerPort: container, Protocol: "tcp"}
}

func addrPort(ip string, port uint16) string {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port).String()
}
