package plan

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"skiff/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func record() state.NetworkRecord {
	return state.NetworkRecord{Name: "bridge", Bridge: "skiff0", Subnet: "10.87.0.0/16", Gateway: "10.87.0.1",
		Subnet6: "fd12:3456:789a::/64", Gateway6: "fd12:3456:789a::1"}
}

const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// text is the whole state of the system that the plan stands for.
func (e Endpoint) text() string {
	var b strings.Builder
	p := func(f string, args ...any) { fmt.Fprintf(&b, f+"\n", args...) }
	p("host: bridge %s %s mtu %d", e.Bridge.Name, e.Bridge.MAC, e.Bridge.MTU)
	p("host: address %s dev %s", e.Bridge.Address, e.Bridge.Name)
	if e.Bridge.Address6.IsValid() {
		p("host: address %s dev %s", e.Bridge.Address6, e.Bridge.Name)
	}
	p("host: veth %s master %s mtu %d", e.Veth.Host, e.Veth.Bridge, e.Veth.MTU)
	p("container: veth %s %s", e.Veth.Peer, e.Veth.MAC)
	for _, a := range e.Addresses {
		p("container: address %s dev %s", a, e.Veth.Peer)
	}
	for _, g := range e.Gateways {
		p("container: default via %s dev %s", g, e.Veth.Peer)
	}
	p("firewall: network %s %v %v", e.Firewall.Bridge, e.Firewall.Subnet, e.Firewall.Subnet6)
	for _, f := range e.Forwards {
		p("firewall: %s %s -> %s", f.Proto, f.Host, f.To)
	}
	p("status: %+v", e.Status)
	return b.String()
}

func TestPlan(t *testing.T) {
	ip := netip.MustParseAddr("10.87.0.2")
	ip6 := netip.MustParseAddr("fd12:3456:789a::2")
	web := state.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	for name, in := range map[string]Input{
		"default":        {ID: id, Network: record(), IP: ip},
		"ipv6-and-ports": {ID: id, Network: record(), IPv6: true, IP: ip, IP6: ip6, Ports: []state.Port{web, {HostIP: "2001:db8::1", HostPort: 1, ContainerPort: 2, Protocol: "udp"}}},
		"host-address":   {ID: id, Network: record(), IP: ip, MTU: 1400, MAC: "02:00:00:00:00:01", Ports: []state.Port{{HostIP: "127.0.0.1", HostPort: 1, ContainerPort: 2, Protocol: "sctp"}}},
	} {
		e, err := Plan(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path, got := "testdata/"+name+".golden", e.text()
		if *update {
			os.MkdirAll("testdata", 0o755)
			os.WriteFile(path, []byte(got), 0o644)
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", name, err, got, want)
		}
	}
}

func TestPortsThatCannotBe(t *testing.T) {
	for ip, want := range map[string]string{
		"::1":         "cannot publish port [::1]:8/udp: Linux does not route ::1; use 127.0.0.1 or leave the address out",
		"2001:db8::1": "cannot publish port [2001:db8::1]:8/udp: the network has no IPv6 on this host",
		"x":           `cannot publish port x:8/udp: "x" is not an IP address`,
	} {
		_, err := Forwards(state.Port{HostIP: ip, HostPort: 8, ContainerPort: 1, Protocol: "udp"}, netip.MustParseAddr("10.0.0.2"), netip.Addr{})
		if fmt.Sprint(err) != want {
			t.Errorf("got %v want %s", err, want)
		}
	}
}

func TestRecordsThatMakeNoSense(t *testing.T) {
	for want, change := range map[string]func(*state.NetworkRecord){
		`network bridge: subnet "10.87.0.0/31": invalid`:     func(r *state.NetworkRecord) { r.Subnet = "10.87.0.0/31" },
		`network bridge: subnet "x": invalid`:                func(r *state.NetworkRecord) { r.Subnet = "x" },
		`network bridge: gateway "10.1.0.1": invalid`:        func(r *state.NetworkRecord) { r.Gateway = "10.1.0.1" },
		`network bridge: bridge "a/../../x": invalid`:        func(r *state.NetworkRecord) { r.Bridge = "a/../../x" },
		`network bridge: bridge "0123456789abcdef": invalid`: func(r *state.NetworkRecord) { r.Bridge = "0123456789abcdef" },
		`network bridge: subnet6 "10.0.0.0/8": invalid`:      func(r *state.NetworkRecord) { r.Subnet6 = "10.0.0.0/8" },
	} {
		r := record()
		change(&r)
		if _, err := ParseSubnets(r); fmt.Sprint(err) != want {
			t.Errorf("got %v want %s", err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	used := func(s ...string) (ps []netip.Prefix) {
		for _, x := range s {
			ps = append(ps, netip.MustParsePrefix(x))
		}
		return ps
	}
	for _, c := range []struct {
		used []netip.Prefix
		want string
	}{
		{nil, "10.87.0.0/16"},
		{used("0.0.0.0/0", "::/0"), "10.87.0.0/16"},
		{used("10.87.3.4/32"), "10.86.0.0/16"},
		{used("10.0.0.0/8"), "172.31.0.0/16"},
		{used("10.0.0.0/8", "172.16.0.0/12"), "192.168.240.0/20"},
		{used("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), "invalid Prefix"},
	} {
		if got, err := Choose(Pool(""), c.used); got.String() != c.want || (err == nil) != got.IsValid() {
			t.Errorf("%v: got %v, %v want %v", c.used, got, err, c.want)
		}
	}
	if a, b := Pool("a"), Pool("b"); a[0] == b[0] || len(a) != len(Pool("")) {
		t.Errorf("pools of two roots: %v %v", a[0], b[0])
	}
}

func TestUniqueLocal(t *testing.T) {
	a, b := UniqueLocal("a"), UniqueLocal("b")
	if a == b || a.Bits() != 64 || a.Addr().As16()[0] != 0xfd || a != UniqueLocal("a") {
		t.Errorf("%v %v", a, b)
	}
}
