package netsetup

import (
	"fmt"
	"net/netip"
	"testing"

	"skiff/state"
)

// kind is a network of the user's with the subnets of the number n.
func (h *host) kind(name string, n int, change func(*state.NetworkRecord)) {
	h.t.Helper()
	r := state.NetworkRecord{
		Name: name, Subnet: fmt.Sprintf("10.99.%d.0/24", n), Gateway: fmt.Sprintf("10.99.%d.1", n), Given: true,
		Subnet6: fmt.Sprintf("fd99:%d::/64", n), Gateway6: fmt.Sprintf("fd99:%d::1", n),
	}
	if change != nil {
		change(&r)
	}
	h.network(r)
}

// boxIn is a container in one network.
func (h *host) boxIn(network string, ports ...state.Port) *box {
	h.t.Helper()
	b, err := h.start(state.Network{Mode: state.ModeBridge, Ports: ports, Endpoints: []state.Endpoint{{Network: network}}})
	if err != nil {
		h.t.Fatal(err)
	}
	serve(h.t, b.ns, "tcp", ":80")
	return b
}

func (b *box) ip6() string { return b.res.Status.Endpoints[0].IP6 }

func (b *box) gateway() string { return b.res.Status.Endpoints[0].Gateway }

// at is an address with the test's port.
func at(ip string) string { return netip.AddrPortFrom(netip.MustParseAddr(ip), 80).String() }

func TestIsolation(t *testing.T) {
	for _, driver := range []string{DriverNftables, DriverIptables} {
		t.Run(driver, func(t *testing.T) {
			h := newHost(t)
			h.m.Firewall = driver
			isolation(t, h)
		})
	}
}

func isolation(t *testing.T, h *host) {
	h.kind("closed", 1, func(r *state.NetworkRecord) { r.Internal = true })
	h.kind("opena", 2, func(r *state.NetworkRecord) { r.Open = true })
	h.kind("openb", 3, func(r *state.NetworkRecord) { r.Open = true })
	h.kind("apart", 4, func(r *state.NetworkRecord) { r.Apart = true })
	h.kind("plain", 5, func(r *state.NetworkRecord) { r.NoMasquerade = true })
	serve(t, h.outside, "tcp", ":99")
	serve(t, nil, "tcp", ":77")
	c1, c2 := h.boxIn("closed"), h.boxIn("closed", tcp(8081, 80))
	a, b := h.boxIn("opena"), h.boxIn("openb")
	p1, p2 := h.boxIn("apart"), h.boxIn("apart", tcp(8084, 80))
	n := h.boxIn("plain", tcp(8085, 80))

	sees(t, "between networks", n.ns, "tcp", at(a.ip), "")
	sees(t, "between networks, IPv6", n.ns, "tcp", at(a.ip6()), "")
	sees(t, "from an open network to one that is not", a.ns, "tcp", at(n.ip), "")
	sees(t, "between open networks", a.ns, "tcp", at(b.ip), a.ip)
	sees(t, "between open networks, IPv6", b.ns, "tcp", at(a.ip6()), b.ip6())
	sees(t, "between networks by a published port", a.ns, "tcp", "198.51.100.1:8085", n.gateway())

	sees(t, "within an internal network", c1.ns, "tcp", at(c2.ip), c1.ip)
	sees(t, "within an internal network, IPv6", c1.ns, "tcp", at(c2.ip6()), c1.ip6())
	sees(t, "out of an internal network", c1.ns, "tcp", "198.51.100.2:99", "")
	sees(t, "from an internal network to another", c1.ns, "tcp", at(n.ip), "")
	sees(t, "into an internal network", n.ns, "tcp", at(c1.ip), "")
	sees(t, "from an internal network to the host", c1.ns, "tcp", "10.99.1.1:77", "")
	sees(t, "from an internal network to the host, IPv6", c1.ns, "tcp", "[fd99:1::1]:77", "")
	sees(t, "from the host into an internal network", nil, "tcp", at(c2.ip), "10.99.1.1")
	sees(t, "from the host into an internal network, IPv6", nil, "tcp", at(c2.ip6()), "fd99:1::1")
	sees(t, "an internal network's port, from the host", nil, "tcp", "127.0.0.1:8081", "10.99.1.1")
	sees(t, "an internal network's port, from outside", h.outside, "tcp", "198.51.100.1:8081", "")

	sees(t, "within a network that keeps them apart", p1.ns, "tcp", at(p2.ip), "")
	sees(t, "within a network that keeps them apart, IPv6", p1.ns, "tcp", at(p2.ip6()), "")
	if sysctl("net/bridge/bridge-nf-call-iptables") == "1" { // which has the bridge do what the host does else
		run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
		defer run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
	}
	sees(t, "by a published port there", p1.ns, "tcp", "198.51.100.1:8084", p2.gateway())
	sees(t, "within it, where the bridge calls no rules", p1.ns, "tcp", at(p2.ip), "")
	sees(t, "from the host to one that is apart", nil, "tcp", at(p1.ip), p1.gateway())
	sees(t, "out of a network that keeps them apart", p1.ns, "tcp", "198.51.100.2:99", "198.51.100.1")

	sees(t, "to the host's services", n.ns, "tcp", n.gateway()+":77", n.ip)
	sees(t, "out without translation and without a way back", n.ns, "tcp", "198.51.100.2:99", "")
	run("nsenter", "--net="+h.outside.Path(), "ip", "route", "add", "10.99.5.0/24", "via", "198.51.100.1")
	sees(t, "out without translation", n.ns, "tcp", "198.51.100.2:99", n.ip)
	sees(t, "in by a published port", h.outside, "tcp", "198.51.100.1:8085", "198.51.100.2")
	sees(t, "in by the container's address", h.outside, "tcp", at(n.ip), "")
}

// A record that was edited, when the network is made again.
func TestEditedNetwork(t *testing.T) {
	for _, driver := range []string{DriverNftables, DriverIptables} {
		t.Run(driver, func(t *testing.T) {
			h := newHost(t)
			h.m.Firewall = driver
			serve(t, h.outside, "tcp4", ":99")
			h.kind("net", 1, func(r *state.NetworkRecord) { r.Internal = true })
			b := h.boxIn("net")
			sees(t, "internal", b.ns, "tcp", "198.51.100.2:99", "")
			record(t, b)
			h.kind("net", 1, nil)
			if err := h.m.Reload(); err != nil {
				t.Fatal(err)
			}
			run("nsenter", "--net="+b.ns.Path(), "ip", "route", "add", "default", "via", "10.99.1.1")
			sees(t, "no more", b.ns, "tcp", "198.51.100.2:99", "198.51.100.1")
			h.kind("net", 1, func(r *state.NetworkRecord) { r.Internal = true })
			if err := h.m.Reload(); err != nil {
				t.Fatal(err)
			}
			sees(t, "internal again", b.ns, "tcp", "198.51.100.2:99", "")
		})
	}
}

func TestOneFamily(t *testing.T) {
	for _, driver := range []string{DriverNftables, DriverIptables} {
		t.Run(driver, func(t *testing.T) {
			h := newHost(t)
			h.m.Firewall = driver
			h.kind("four", 1, func(r *state.NetworkRecord) { r.Subnet6, r.Gateway6 = "", "" })
			h.kind("six", 2, func(r *state.NetworkRecord) { r.Subnet, r.Gateway = "", "" })
			four, six := h.boxIn("four", tcp(8081, 80)), h.boxIn("six", tcp(8082, 80))
			serve(t, h.outside, "tcp", ":99")
			sees(t, "IPv4 only, in", h.outside, "tcp", "198.51.100.1:8081", "198.51.100.2")
			sees(t, "IPv4 only, in by IPv6", h.outside, "tcp", "[2001:db8::1]:8081", "")
			sees(t, "IPv4 only, out", four.ns, "tcp", "198.51.100.2:99", "198.51.100.1")
			sees(t, "IPv6 only, in", h.outside, "tcp", "[2001:db8::1]:8082", "2001:db8::2")
			sees(t, "IPv6 only, in by IPv4", h.outside, "tcp", "198.51.100.1:8082", "")
			sees(t, "IPv6 only, out", six.ns, "tcp", "[2001:db8::2]:99", "2001:db8::1")
		})
	}
}
