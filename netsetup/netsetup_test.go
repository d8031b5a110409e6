package netsetup

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// monitor does what a monitor does at the end of a container, with nothing but
// the recorded data.
func (b *box) monitor() {
	t := b.h.t
	for _, batch := range b.res.Teardown.Netlink {
		if err := firewall.Send(batch); err != nil {
			t.Errorf("recorded batch: %v", err)
		}
	}
	for _, f := range b.res.Teardown.Files {
		if err := os.Remove(f); err != nil {
			t.Error(err)
		}
	}
	b.res.Close()
}

// linkNamed tells of the container's device on the host, if there is one.
func linkNamed(id string) string {
	name := plan.HostLink(id, 0)
	if _, err := net.InterfaceByName(name); err != nil {
		return ""
	}
	return name
}

func TestRecordedTeardownLeavesNothing(t *testing.T) {
	h := newHost(t)
	keep := h.box(tcp(8000, 80))
	before := machine() + run("nft", "list", "ruleset")
	b := h.box(tcp(8080, 80), state.Port{HostIP: "127.0.0.1", HostPort: 8081, ContainerPort: 81, Protocol: "udp"})
	b.monitor()
	b.ns.Close() // as the end of its last process does
	eventually(t, func() string { return linkNamed(b.id) })
	if after := machine() + run("nft", "list", "ruleset"); after != before {
		t.Errorf("left over:\n%s\nbefore:\n%s", after, before)
	}
	serve(t, keep.ns, "tcp", ":80")
	sees(t, "the other container", h.outside, "tcp", "198.51.100.1:8000", "198.51.100.2")
	again := h.box(tcp(8080, 80))
	if again.ip == keep.ip {
		t.Errorf("%s was given twice", again.ip)
	}
}

func TestManyAtOnce(t *testing.T) {
	h := newHost(t)
	const n = 30
	type start struct {
		id  string
		ns  *link.Namespace
		res Result
		err error
	}
	starts := make([]start, n)
	for i := range starts {
		starts[i].id = newID()
		c := h.m.Roots.Container(starts[i].id)
		if err := os.MkdirAll(c.Run, 0o700); err != nil {
			t.Fatal(err)
		}
		claim, err := lock.Claim(c.Alive())
		if err != nil {
			t.Fatal(err)
		}
		defer claim.Release()
		if starts[i].ns, err = link.NewNamespace(); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range starts {
		s := &starts[i]
		wg.Go(func() {
			s.res, s.err = h.m.Setup(t.Context(), Request{ID: s.id, NS: s.ns,
				Network: bridged(tcp(0, 80))})
		})
	}
	wg.Wait()
	ips, ports := map[string]bool{}, map[uint16]bool{}
	for _, s := range starts {
		if s.err != nil {
			t.Error(s.err)
			continue
		}
		ips[s.res.Status.Endpoints[0].IP] = true
		ports[s.res.Status.Ports[0].HostPort] = true
		serve(t, s.ns, "tcp", ":80")
	}
	if len(ports) != n || len(ips) != n {
		t.Errorf("%d different ports and %d addresses for %d containers", len(ports), len(ips), n)
	}
	for _, s := range starts {
		if s.err == nil {
			sees(t, "one of many", h.outside, "tcp", addrPort("198.51.100.1", s.res.Status.Ports[0].HostPort), "198.51.100.2")
		}
		s.res.Close()
		s.ns.Close()
		if err := h.m.Teardown(s.id, state.NetworkStatus{}); err != nil {
			t.Error(err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	h := newHost(t)
	h.box() // the network is there
	l, err := net.Listen("tcp4", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	before := machine()
	_, err = h.start(state.Network{Mode: state.ModeBridge, Ports: []state.Port{tcp(8079, 79), tcp(8080, 80)}})
	if !errors.Is(err, ErrPortInUse) || !strings.HasPrefix(err.Error(), "cannot publish port 8080/tcp: address already in use by process ") {
		t.Errorf("got %v", err)
	}
	if after := machine(); after != before {
		t.Errorf("left over:\n%s", after)
	}
	h.box(tcp(8079, 79)) // the half that worked was given back

	one := h.box(tcp(8090, 80))
	if _, err := h.start(state.Network{Mode: state.ModeBridge, Ports: []state.Port{tcp(8090, 80)}}); !errors.Is(err, ErrPortInUse) {
		t.Errorf("port of another container: %v", err)
	}
	if _, err := net.Listen("tcp4", ":8090"); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a program of the host got the port: %v", err)
	}
	one.monitor()
	h.box(tcp(8090, 80))
}

func TestPortWithOldConnectionsIsFree(t *testing.T) {
	h := newHost(t)
	h.box()
	l, err := net.Listen("tcp4", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp4", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // the server closes first, so the port is in TIME_WAIT
	c.Read(make([]byte, 1))
	c.Close()
	l.Close()
	if out := run("ss", "-Htan", "state", "time-wait", "sport", "=", ":8080"); out == "" {
		t.Fatal("there is no old connection")
	}
	b := h.box(tcp(8080, 80))
	if _, err := net.Listen("tcp4", ":8080"); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a program of the host got the port: %v", err)
	}
	serve(t, b.ns, "tcp", ":80")
	sees(t, "published over an old connection", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
}

func TestPortRangeAndRandomPort(t *testing.T) {
	h := newHost(t)
	ranged := state.Port{HostPort: 8000, HostPortEnd: 8001, ContainerPort: 80, Protocol: "tcp"}
	for _, want := range []uint16{8000, 8001} {
		if b := h.box(ranged); b.res.Status.Ports[0].HostPort != want {
			t.Errorf("got %v want %d", b.res.Status.Ports, want)
		}
	}
	_, err := h.start(state.Network{Mode: state.ModeBridge, Ports: []state.Port{ranged}})
	if err == nil || err.Error() != "cannot publish port 8000-8001/tcp: address already in use" {
		t.Errorf("full range: %v", err)
	}
	b := h.box(state.Port{ContainerPort: 80, Protocol: "tcp"}, state.Port{ContainerPort: 5, Protocol: "sctp"})
	for _, p := range b.res.Status.Ports {
		if p.HostPort < 1024 {
			t.Errorf("chosen: %+v", p)
		}
	}
	all, err := h.start(state.Network{Mode: state.ModeBridge, PublishAll: true, Expose: []string{"80/tcp", "53/udp"}})
	if err != nil || len(all.res.Status.Ports) != 2 {
		t.Errorf("publish all: %+v, %v", all, err)
	}
}

func TestManyPorts(t *testing.T) {
	h := newHost(t)
	var ports []state.Port
	for i := range 5000 {
		ports = append(ports, tcp(uint16(20000+i), uint16(20000+i)))
	}
	start := time.Now()
	b := h.box(ports...)
	t.Logf("%d ports in %v", len(ports), time.Since(start))
	serve(t, b.ns, "tcp", ":24999")
	sees(t, "the last of many", h.outside, "tcp", "198.51.100.1:24999", "198.51.100.2")
	sees(t, "the last of many, IPv6", h.outside, "tcp", "[2001:db8::1]:24999", "2001:db8::2")
	for _, network := range []string{"tcp4", "tcp6"} {
		if _, err := net.Listen(network, ":24998"); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a program of the host got a port, %s: %v", network, err)
		}
	}
	if _, err := h.start(state.Network{Mode: state.ModeBridge, Ports: ports[4999:]}); !errors.Is(err, ErrPortInUse) {
		t.Errorf("port of another container: %v", err)
	}
	if !b.res.Teardown.Engine || len(b.res.Teardown.Netlink) > 0 {
		t.Errorf("teardown %+v", b.res.Teardown)
	}
	b.res.Close()
	start = time.Now()
	if err := h.m.Teardown(b.id, b.res.Status); err != nil {
		t.Fatal(err)
	}
	t.Logf("taken down in %v", time.Since(start))
	if s := run("nft", "list", "ruleset"); strings.Contains(s, "24999") {
		t.Error("ports are left")
	}
}

func TestMorePortsThanFiles(t *testing.T) {
	h := newHost(t)
	h.box()
	before := machine()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	var ports []state.Port
	for i := range 1000 {
		ports = append(ports, tcp(uint16(20000+i), uint16(20000+i)))
	}
	_, err := h.start(state.Network{Mode: state.ModeBridge, Ports: ports})
	want := "cannot publish 1000 ports: each takes an open file, of which this machine allows a process 1024 (see ulimit -Hn)"
	if fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if after := machine(); after != before {
		t.Errorf("left over:\n%s", after)
	}
}

func TestWhoHoldsAPort(t *testing.T) {
	h := newHost(t)
	b := h.box(tcp(8080, 80), state.Port{HostPort: 5353, ContainerPort: 53, Protocol: "udp"})
	record(t, b)
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	mine := fmt.Sprintf(" by process %s (pid %d)", strings.TrimSpace(string(comm)), os.Getpid())
	l, err := net.Listen("tcp6", "[::1]:8090")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:8091")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for _, tt := range []struct {
		port state.Port
		want string
	}{
		{tcp(8080, 80), "8080/tcp: address already in use by container box"},
		{state.Port{HostPort: 5353, ContainerPort: 53, Protocol: "udp"}, "5353/udp: address already in use by container box"},
		{tcp(8090, 80), "8090/tcp: address already in use" + mine},
		{state.Port{HostIP: "127.0.0.1", HostPort: 8091, ContainerPort: 53, Protocol: "udp"}, "127.0.0.1:8091/udp: address already in use" + mine},
	} {
		_, err := h.start(state.Network{Mode: state.ModeBridge, Ports: []state.Port{tt.port}})
		if want := "cannot publish port " + tt.want; fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRestartedContainerKeepsItsAddress(t *testing.T) {
	h := newHost(t)
	b := h.box()
	c := h.m.Roots.Container(b.id)
	if err := jsonfile.Write(c.Exit(), state.Status{Version: 1, Network: b.res.Status}, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	b.monitor()
	h.box()
	ns, err := link.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	res, err := h.m.Setup(t.Context(), Request{ID: b.id, Dir: c, NS: ns, Network: bridged()})
	if err != nil || res.Status.Endpoints[0].IP != b.ip {
		t.Errorf("got %+v, %v; want %s", res.Status, err, b.ip)
	}
}

func TestStaticAddress(t *testing.T) {
	h := newHost(t)
	h.network(state.NetworkRecord{Name: "own", Given: true, Subnet: "10.1.0.0/24", Gateway: "10.1.0.1", Subnet6: "fd00:1::/64", Gateway6: "fd00:1::1",
		Range: "10.1.0.128/25", Reserved: map[string]string{"router": "10.1.0.254"}})
	h.network(state.NetworkRecord{Name: "chosen", Subnet: "10.2.0.0/24", Gateway: "10.2.0.1"})
	static := func(network, ip string) state.Network {
		return state.Network{Mode: state.ModeBridge, Endpoints: []state.Endpoint{{Network: network, IP: ip, MAC: "02:00:00:00:00:05"}}}
	}
	b, err := h.start(static("own", "10.1.0.4")) // outside of the range, as Docker allows
	if err != nil || b.ip != "10.1.0.4" || b.res.Status.Endpoints[0].MAC != "02:00:00:00:00:05" || b.res.Status.Endpoints[0].IP6 != "fd00:1::4" {
		t.Fatalf("got %+v, %v", b, err)
	}
	n := static("own", "")
	n.Endpoints[0].IP6 = "fd00:1::77"
	if b, err := h.start(n); err != nil || b.res.Status.Endpoints[0].IP6 != "fd00:1::77" || b.ip != "10.1.0.128" {
		t.Errorf("got %+v, %v", b, err)
	}
	if _, err := h.start(n); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("an IPv6 address twice: %v", err)
	}
	for _, c := range []struct{ network, ip, want string }{
		{"own", "10.1.0.4", "address 10.1.0.4: the address is already in use"},
		{"own", "10.1.0.1", "address 10.1.0.1 is the network's gateway"},
		{"own", "10.1.0.254", "address 10.1.0.254 is reserved in the network"},
		{"own", "10.12.13.1", "address 10.12.13.1 is not in the network's subnet 10.1.0.0/24"},
		{"own", "x", `invalid IP address "x"`},
		{"chosen", "10.2.0.4", "user specified IP address is supported only when connecting to networks with user configured subnets"},
		{"bridge", "10.87.0.4", "user specified IP address is supported on user defined networks only"},
	} {
		if _, err := h.start(static(c.network, c.ip)); fmt.Sprint(err) != c.want {
			t.Errorf("%s: got %v want %s", c.ip, err, c.want)
		}
	}
}

// What a container left whose monitor was killed is found by its id alone, and
// is not mistaken for what others have taken over since.
func TestDeadContainersRemainsGoToTheirNewOwner(t *testing.T) {
	h := newHost(t)
	h.network(state.NetworkRecord{Name: "own", Given: true, Subnet: "10.1.0.0/24", Gateway: "10.1.0.1"})
	static := state.Network{Mode: state.ModeBridge, Ports: []state.Port{tcp(8080, 80), tcp(8081, 80)},
		Endpoints: []state.Endpoint{{Network: "own", IP: "10.1.0.9"}}}
	dead := newID() // has no claim
	ns, err := link.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.m.Setup(t.Context(), Request{ID: dead, NS: ns, Network: static})
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
	ns.Close()

	static.Ports = static.Ports[:1]
	b, err := h.start(static)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, b.ns, "tcp", ":80")
	sees(t, "the dead container's other port", h.outside, "tcp", "198.51.100.1:8081", "")
	if err := h.m.Teardown(dead, state.NetworkStatus{}); err != nil {
		t.Fatal(err)
	}
	sees(t, "after the dead one's teardown", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	if err := h.m.Teardown(dead, state.NetworkStatus{}); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestFlushedRulesComeBack(t *testing.T) {
	h := newHost(t)
	a := h.box(tcp(8080, 80))
	serve(t, a.ns, "tcp", ":80")
	record(t, a)
	for _, how := range []string{"reload", "next start"} {
		run("nft", "flush", "ruleset")
		sees(t, "while flushed", h.outside, "tcp", "198.51.100.1:8080", "")
		if how == "reload" {
			if err := h.m.Reload(); err != nil {
				t.Fatal(err)
			}
		} else {
			h.box()
		}
		sees(t, "after "+how, h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	}
}

// record writes what the engine writes for a running container.
func record(t *testing.T, b *box) {
	t.Helper()
	boot, err := state.BootID()
	if err != nil {
		t.Fatal(err)
	}
	c := b.h.m.Roots.Container(b.id)
	st := state.Status{Version: 1, BootID: boot, Phase: state.Running, Network: b.res.Status}
	if err := errors.Join(jsonfile.Write(c.Status(), st, jsonfile.Volatile),
		jsonfile.Write(c.Config(), state.Config{ID: b.id, Name: "box"}, jsonfile.Volatile)); err != nil {
		t.Fatal(err)
	}
}

func TestCollectSparesNetworksInUse(t *testing.T) {
	h := newHost(t)
	b := h.box(tcp(8080, 80))
	serve(t, b.ns, "tcp", ":80")
	if err := h.m.Collect(); err != nil {
		t.Fatal(err)
	}
	sees(t, "after collect", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
}

// Whoever restores lost rules has the network's lock for a moment. A network that
// nobody is in is taken down all the same.
func TestCollectWaitsForAReload(t *testing.T) {
	h := newHost(t)
	h.box().monitor()
	dir := h.m.Roots.Network(state.DefaultNetwork)
	l, err := lock.Share(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- h.m.Collect() }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	l.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if jsonfile.Exists(dir) {
		t.Error("the network is still there")
	}
}

func TestForeignForwardPolicy(t *testing.T) {
	h := newHost(t)
	run("iptables", "-P", "FORWARD", "DROP")
	defer run("iptables", "-P", "FORWARD", "ACCEPT")
	b := h.box(tcp(8080, 80))
	serve(t, b.ns, "tcp", ":80")
	serve(t, h.outside, "tcp4", ":99")
	sees(t, "in through a dropping FORWARD chain", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	sees(t, "out through it", b.ns, "tcp", "198.51.100.2:99", "198.51.100.1")
	b.monitor()
	if err := h.m.Collect(); err != nil {
		t.Fatal(err)
	}
}

// A neighbour on the wire may send packets to 127.0.0.1; nobody gets in by that.
func TestLoopbackIsNotReachableFromTheWire(t *testing.T) {
	h := newHost(t)
	b := h.box(state.Port{HostIP: "127.0.0.1", HostPort: 9090, ContainerPort: 80, Protocol: "tcp"})
	serve(t, b.ns, "tcp", ":80")
	serve(t, nil, "tcp", "127.0.0.1:9091")
	sees(t, "from the host", nil, "tcp", "127.0.0.1:9090", b.res.Status.Endpoints[0].Gateway)
	for _, from := range []struct {
		name, via, dev string
		ns             *link.Namespace
	}{{"a neighbour on the wire", "198.51.100.1", "wire", h.outside}, {"a container", "10.87.0.1", "eth0", h.box().ns}} {
		sh := func(args ...string) { run(append([]string{"nsenter", "--net=" + from.ns.Path()}, args...)...) }
		sh("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
		sh("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
		sh("ip", "route", "add", "127.0.0.1/32", "via", from.via, "dev", from.dev)
		sees(t, from.name, from.ns, "tcp", "127.0.0.1:9090", "")
		sees(t, from.name+" to the host's own", from.ns, "tcp", "127.0.0.1:9091", "")
	}
}

func TestWithoutIPv6(t *testing.T) {
	h := newHost(t)
	run("ip", "addr", "del", "2001:db8::1/64", "dev", "wire")
	b := h.box(tcp(8080, 80))
	if e := b.res.Status.Endpoints[0]; e.IP6 != "" {
		t.Errorf("status %+v", e)
	}
	if out := run("nsenter", "--net="+b.ns.Path(), "ip", "-6", "addr", "show", "dev", "eth0"); out != "" {
		t.Errorf("the container has IPv6: %s", out)
	}
	serve(t, b.ns, "tcp", ":80") // on the IPv6 socket that most servers use
	sees(t, "IPv4 only", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	_, err := h.start(state.Network{Mode: state.ModeBridge, Ports: []state.Port{{HostIP: "2001:db8::1", HostPort: 1, ContainerPort: 1, Protocol: "tcp"}}})
	if fmt.Sprint(err) != "cannot publish port [2001:db8::1]:1/tcp: the network has no IPv6 on this host" {
		t.Errorf("got %v", err)
	}
}

func TestTwoRootsDoNotMeet(t *testing.T) {
	h := newHost(t)
	a := h.box(tcp(8080, 80))
	other := *h.m
	other.Suffix = "deadbeef"
	other.Roots.Data, other.Roots.Run = t.TempDir(), t.TempDir()
	h2 := &host{t: t, m: &other, outside: h.outside}
	t.Cleanup(func() {
		if err := other.Collect(); err != nil {
			t.Error(err)
		}
	})
	b := h2.box(tcp(8081, 80))
	serve(t, a.ns, "tcp", ":80")
	serve(t, b.ns, "tcp", ":80")
	sees(t, "the first", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	sees(t, "the second", h.outside, "tcp", "198.51.100.1:8081", "198.51.100.2")
	sees(t, "one from the other", a.ns, "tcp", b.ip+":80", "")
	b.monitor()
	if err := other.Collect(); err != nil {
		t.Fatal(err)
	}
	sees(t, "the first after the second is gone", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
}

func TestSubnetInUseIsAvoided(t *testing.T) {
	h := newHost(t)
	run("ip", "route", "add", "10.87.128.0/20", "via", "198.51.100.2")
	if b := h.box(); b.res.Status.Endpoints[0].Gateway != "10.86.0.1" {
		t.Errorf("status %+v", b.res.Status)
	}
}

// A client that was sending before the port was published is heard afterwards.
func TestOldUDPFlowsAreForgotten(t *testing.T) {
	h := newHost(t)
	h.box()
	var c net.Conn
	if err := h.outside.Do(func() (err error) { c, err = net.Dial("udp", "198.51.100.1:5353"); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	none, err := net.ListenPacket("udp4", ":5353") // takes it and says nothing, so that a flow is tracked
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("?"))
	none.ReadFrom(make([]byte, 1))
	none.Close()
	b := h.box(state.Port{HostPort: 5353, ContainerPort: 53, Protocol: "udp"})
	serve(t, b.ns, "udp4", ":53")
	c.Write([]byte("?"))
	buf := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(3 * time.Second))
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "198.51.100.2" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

func TestFullBridge(t *testing.T) {
	h := newHost(t)
	h.box()
	var script strings.Builder
	for i := range 511 {
		fmt.Fprintf(&script, "link add a%d master skiff0 type veth peer name b%d\nlink set b%d master skiff0\n", i, i, i)
	}
	file := t.TempDir() + "/batch"
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run("ip", "-batch", file)
	before := machine()
	_, err := h.start(state.Network{Mode: state.ModeBridge})
	if !errors.Is(err, link.ErrBridgeFull) || machine() != before {
		t.Errorf("got %v", err)
	}
}
