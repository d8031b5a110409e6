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
	return state.NetworkRecord{Name: "bridge", Driver: "bridge", Bridge: "skiff0", Subnet: "10.87.0.0/16", Gateway: "10.87.0.1",
		Subnet6: "fd12:3456:789a::/64", Gateway6: "fd12:3456:789a::1"}
}

const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// text is the whole state of the system that the plan stands for.
func (e Endpoint) text(b *strings.Builder) {
	p := func(f string, args ...any) { fmt.Fprintf(b, f+"\n", args...) }
	d := e.Device
	switch d.Kind {
	case KindVeth:
		p("host: veth %s master %s mtu %d vlan %d foreign %v", d.Host, d.Bridge, d.MTU, d.VLAN, d.Foreign)
	default:
		p("host: %s %s on %s mtu %d", d.Kind, d.Mode, d.Parent, d.MTU)
	}
	p("container: %s %s %q", d.Kind, d.Name, d.MAC)
	for _, kv := range e.Sysctls {
		p("container: %s = %s", kv[0], kv[1])
	}
	for _, a := range e.Addresses {
		p("container: address %s dev %s", a, d.Name)
	}
	for _, r := range append(e.Routes, e.Defaults...) {
		p("container: %s %s via %s metric %d dev %s", r.Type, r.To, r.Via, r.Metric, d.Name)
	}
	if e.Firewall.Bridge != "" {
		p("firewall: network %+v", e.Firewall)
	}
	for _, f := range e.Forwards {
		p("firewall: %s %s -> %s", f.Proto, f.Host, f.To)
	}
	p("status: %+v", e.Status)
}

func bridgeText(b *strings.Builder, br Bridge) {
	fmt.Fprintf(b, "host: bridge %s %s mtu %d vlan %d\n", br.Name, br.MAC, br.MTU, br.VLAN)
	for _, a := range []netip.Prefix{br.Address, br.Address6} {
		if a.IsValid() {
			fmt.Fprintf(b, "host: address %s dev %s\n", a, br.Name)
		}
	}
}

// network is a record that differs from the usual one.
func network(change func(*state.NetworkRecord)) state.NetworkRecord {
	r := record()
	r.Name, r.ID, r.Bridge = "own", strings.Repeat("ab", 32), "own0"
	r.Subnet, r.Gateway, r.Subnet6, r.Gateway6 = "10.1.0.0/24", "10.1.0.1", "fd00:1::/64", "fd00:1::1"
	change(&r)
	return r
}

func on(driver, mode string) func(*state.NetworkRecord) {
	return func(r *state.NetworkRecord) { r.Driver, r.Mode, r.Parent, r.Bridge = driver, mode, "eth0.30", "" }
}

func TestPlan(t *testing.T) {
	first, first6 := netip.MustParseAddr("10.87.0.2"), netip.MustParseAddr("fd12:3456:789a::2")
	ip, ip6 := netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("fd00:1::2")
	web := state.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	std := Input{ID: id, Network: record(), IP: first}
	std6 := Input{ID: id, Network: record(), IPv6: true, IP: first, IP6: first6}
	own := func(change func(*state.NetworkRecord)) Input {
		return Input{ID: id, Network: network(change), IPv6: true, IP: ip, IP6: ip6}
	}
	with := func(in Input, w state.Endpoint) Input { in.Want = w; return in }
	none := func(*state.NetworkRecord) {}
	for name, c := range map[string]struct {
		eps   []Input
		ports []state.Port
	}{
		"default":        {[]Input{std}, nil},
		"ipv6-and-ports": {[]Input{std6}, []state.Port{web, {HostIP: "2001:db8::1", HostPort: 1, ContainerPort: 2, Protocol: "udp"}}},
		"host-address": {[]Input{{ID: id, Network: record(), IP: first, MTU: 1400, Want: state.Endpoint{MAC: "02:00:00:00:00:01"}}},
			[]state.Port{{HostIP: "127.0.0.1", HostPort: 1, ContainerPort: 2, Protocol: "sctp"}}},
		"three": {[]Input{std, own(func(r *state.NetworkRecord) { r.Internal, r.MTU = true, 1300 }), own(on("macvlan", ""))}, []state.Port{web}},
		"priority and names": {[]Input{std6,
			with(own(none), state.Endpoint{Priority: 1, Interface: "lan", HostInterface: "mine", Sysctls: map[string]string{"net.ipv4.conf.IFNAME.log_martians": "1", "net.ipv6.neigh.IFNAME.gc_stale_time": "9"}}),
			own(func(r *state.NetworkRecord) { r.InterfacePrefix, r.VLAN, r.NoDefaultRoute = "web", 30, true })}, nil},
		"without-ipv4": {[]Input{{ID: id, IPv6: true, IP6: ip6, Network: network(func(r *state.NetworkRecord) { r.Subnet, r.Gateway = "", "" })}}, []state.Port{web}},
		"no-addresses": {[]Input{{ID: id, Network: network(func(r *state.NetworkRecord) { r.NoAddresses = true })}}, nil},
		"flags": {[]Input{own(func(r *state.NetworkRecord) {
			r.NoMasquerade, r.Apart, r.Open, r.Gateway6 = true, true, true, ""
			r.Routes = []state.NetworkRoute{{Destination: "10.9.0.0/16", Gateway: "10.1.0.9", Metric: 7}, {Destination: "10.8.0.0/16"}, {Destination: "10.7.0.0/16", Type: "blackhole"}}
		})}, nil},
		"unmanaged":  {[]Input{own(func(r *state.NetworkRecord) { r.Mode = ModeUnmanaged })}, nil},
		"passthru":   {[]Input{own(on("macvlan", "passthru"))}, nil},
		"ipvlan":     {[]Input{own(on("ipvlan", ""))}, nil},
		"ipvlan-l3s": {[]Input{own(on("ipvlan", "l3s"))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			var eps []*Endpoint
			var wants []state.Endpoint
			var others []state.EndpointStatus
			for _, in := range c.eps {
				in.Others = others
				e, err := Plan(in)
				if err != nil {
					t.Fatal(err)
				}
				eps, wants, others = append(eps, &e), append(wants, in.Want), append(others, e.Status)
			}
			Ways(eps, wants)
			if err := eps[0].Publish(c.ports); err != nil {
				t.Fatal(err)
			}
			for i, e := range eps {
				if in := c.eps[i]; Managed(in.Network) {
					s, err := ParseSubnets(in.Network)
					if err != nil {
						t.Fatal(err)
					}
					bridgeText(&b, BridgeOf(in.Network, s, in.IPv6, in.MTU))
				}
				e.text(&b)
			}
			path, got := "testdata/"+strings.ReplaceAll(name, " ", "-")+".golden", b.String()
			if *update {
				os.MkdirAll("testdata", 0o755)
				os.WriteFile(path, []byte(got), 0o644)
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	for want, in := range map[string]Input{
		`invalid MAC address "x"`:                                                                                              {Network: record(), Want: state.Endpoint{MAC: "x"}},
		`the container has an interface "eth1" already`:                                                                        {Network: record(), Want: state.Endpoint{Interface: "eth1"}, Others: []state.EndpointStatus{{Interface: "eth1"}}},
		`invalid name of an interface "lo"`:                                                                                    {Network: record(), Want: state.Endpoint{Interface: "lo"}},
		`invalid name of an interface "a/b"`:                                                                                   {Network: record(), Want: state.Endpoint{HostInterface: "a/b"}},
		`cannot name an interface of the host in network "own": its driver macvlan has none`:                                   {Network: network(on("macvlan", "")), Want: state.Endpoint{HostInterface: "a"}},
		`cannot give a MAC address in network "own": devices of an ipvlan network have their parent's`:                         {Network: network(on("ipvlan", "")), Want: state.Endpoint{MAC: "02:00:00:00:00:01"}},
		`invalid sysctl of an interface "kernel.core_pattern": want a name such as net.ipv4.conf.IFNAME.log_martians`:          {Network: record(), Want: state.Endpoint{Sysctls: map[string]string{"kernel.core_pattern": "x"}}},
		`invalid sysctl of an interface "net.ipv4.conf.all.forwarding": want a name such as net.ipv4.conf.IFNAME.log_martians`: {Network: record(), Want: state.Endpoint{Sysctls: map[string]string{"net.ipv4.conf.all.forwarding": "x"}}},
	} {
		in.ID, in.IP = id, netip.MustParseAddr("10.87.0.2")
		if _, err := Plan(in); fmt.Sprint(err) != want {
			t.Errorf("got %v want %s", err, want)
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
		`network bridge: subnet "10.87.0.0/31": invalid`:       func(r *state.NetworkRecord) { r.Subnet = "10.87.0.0/31" },
		`network bridge: subnet "x": invalid`:                  func(r *state.NetworkRecord) { r.Subnet = "x" },
		`network bridge: gateway "10.1.0.1": invalid`:          func(r *state.NetworkRecord) { r.Gateway = "10.1.0.1" },
		`network bridge: bridge "a/../../x": invalid`:          func(r *state.NetworkRecord) { r.Bridge = "a/../../x" },
		`network bridge: bridge "0123456789abcdef": invalid`:   func(r *state.NetworkRecord) { r.Bridge = "0123456789abcdef" },
		`network bridge: subnet6 "10.0.0.0/8": invalid`:        func(r *state.NetworkRecord) { r.Subnet6 = "10.0.0.0/8" },
		`network bridge: driver "x": invalid`:                  func(r *state.NetworkRecord) { r.Driver = "x" },
		`network bridge: range "10.1.0.0/24": invalid`:         func(r *state.NetworkRecord) { r.Range = "10.1.0.0/24" },
		`network bridge: range "10.87.0.9-10.87.0.3": invalid`: func(r *state.NetworkRecord) { r.Range = "10.87.0.9-10.87.0.3" },
		`network bridge: subnet "": invalid`:                   func(r *state.NetworkRecord) { r.Subnet = "" },
		`network bridge: VLAN id "4095": invalid`:              func(r *state.NetworkRecord) { r.VLAN = 4095 },
		`network bridge: prefix of interfaces "a/b": invalid`:  func(r *state.NetworkRecord) { r.InterfacePrefix = "a/b" },
		`network bridge: parent "a b": invalid`:                func(r *state.NetworkRecord) { r.Driver, r.Parent = "macvlan", "a b" },
		`network bridge: mode "l2": invalid`:                   func(r *state.NetworkRecord) { r.Driver, r.Mode = "macvlan", "l2" },
		`network bridge: address "x" of router: invalid`:       func(r *state.NetworkRecord) { r.Reserved = map[string]string{"router": "x"} },
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
