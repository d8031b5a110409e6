package netsetup

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"skiff/netsetup/link"
	"skiff/state"
)

// owned makes three networks: one and two on bridges, lan on the wire.
func (h *host) owned() {
	h.network(state.NetworkRecord{Name: "one", Given: true, Subnet: "10.1.0.0/24", Gateway: "10.1.0.1"})
	h.network(state.NetworkRecord{Name: "two", Given: true, Subnet: "10.2.0.0/24", Gateway: "10.2.0.1", Subnet6: "fd00:2::/64", Gateway6: "fd00:2::1"})
	h.network(state.NetworkRecord{Name: "lan", Driver: state.DriverMacvlan, Parent: "wire", Given: true, Subnet: "192.0.2.0/24", Range: "192.0.2.64/26"})
	run("nsenter", "--net="+h.outside.Path(), "ip", "addr", "add", "192.0.2.1/24", "dev", "wire")
}

func in3(names ...string) (n state.Network) {
	n.Mode = state.ModeBridge
	for _, name := range names {
		n.Endpoints = append(n.Endpoints, state.Endpoint{Network: name})
	}
	return n
}

func addressesIn(ns *link.Namespace) string {
	return run("nsenter", "--net="+ns.Path(), "ip", "-br", "-4", "addr")
}

func routesIn(ns *link.Namespace) string { return run("nsenter", "--net="+ns.Path(), "ip", "route") }

func TestSeveralNetworks(t *testing.T) {
	h := newHost(t)
	h.owned()
	n := in3("one", "lan", "two")
	n.Ports = []state.Port{tcp(8080, 80)}
	b, err := h.start(n)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, b.ns, "tcp", ":80")
	var ips []string
	for _, e := range b.res.Status.Endpoints {
		ips = append(ips, e.Interface+" "+e.IP)
	}
	if want := []string{"eth0 10.1.0.2", "eth1 192.0.2.64", "eth2 10.2.0.2"}; !slices.Equal(ips, want) {
		t.Errorf("got %q want %q", ips, want)
	}
	sees(t, "published", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	sees(t, "on the wire", h.outside, "tcp", "192.0.2.64:80", "192.0.2.1")
	if r := routesIn(b.ns); strings.Count(r, "default") != 1 || !strings.Contains(r, "default via 10.1.0.1 dev eth0") {
		t.Errorf("routes\n%s", r)
	}
	for _, e := range b.res.Status.Endpoints {
		if used, err := h.m.used(e.Network); !used || err != nil {
			t.Errorf("%s in use: %v, %v", e.Network, used, err)
		}
	}
	b.monitor()
	for _, e := range b.res.Status.Endpoints {
		if all, err := h.m.leases(e.Network).All(); len(all) > 0 || err != nil {
			t.Errorf("left in %s: %v, %v", e.Network, all, err)
		}
	}
}

// The third of three networks cannot be joined: nothing is left of the first two.
func TestThirdNetworkFails(t *testing.T) {
	h := newHost(t)
	h.owned()
	taken, err := h.start(in3("one", "lan"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.start(in3("two"))
	if err != nil {
		t.Fatal(err)
	}
	before := machine() + run("nft", "list", "ruleset")
	for name, spoil := range map[string]func(*state.Network){
		"address":  func(n *state.Network) { n.Endpoints[2].IP = two.ip },
		"hardware": func(n *state.Network) { n.Endpoints[2].HostInterface = "wire" },
		"sysctl":   func(n *state.Network) { n.Endpoints[2].Sysctls = map[string]string{"net.ipv4.conf.IFNAME.nosuch": "1"} },
		"port": func(n *state.Network) {
			n.Ports = []state.Port{tcp(8081, 1), {HostIP: "203.0.113.9", HostPort: 9, ContainerPort: 1, Protocol: "tcp"}}
		},
	} {
		n := in3("one", "lan", "two")
		spoil(&n)
		b, err := h.start(n)
		if err == nil {
			t.Errorf("%s: no error (%v)", name, b.res.Status)
			continue
		}
		if after := machine() + run("nft", "list", "ruleset"); after != before {
			t.Errorf("%s: left over:\n%s\nbefore:\n%s", name, after, before)
		}
		for network, want := range map[string]int{"one": 1, "lan": 1, "two": 2} {
			if all, err := h.m.leases(network).All(); len(all) != want || err != nil {
				t.Errorf("%s: leases in %s: %v, %v", name, network, all, err)
			}
		}
	}
	if _, err := net.Listen("tcp4", ":8081"); err != nil {
		t.Errorf("a port stays reserved: %v", err)
	}
	_ = taken
}

// change is a running container whose endpoints change.
func (b *box) change(n state.Network) ChangeRequest {
	return ChangeRequest{ID: b.id, Name: "box", NS: b.ns, Network: n, Status: b.res.Status, Teardown: b.res.Teardown}
}

func TestConnectAndDisconnect(t *testing.T) {
	h := newHost(t)
	h.owned()
	n := in3("one")
	n.Ports = []state.Port{tcp(8080, 80)}
	b, err := h.start(n)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, b.ns, "tcp", ":80")
	for _, network := range []string{"lan", "two"} {
		c, err := h.m.Connect(b.change(n), state.Endpoint{Network: network})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Apply(); err != nil {
			t.Fatal(err)
		}
		b.res.Status, b.res.Teardown = c.Status, c.After
		n.Endpoints = append(n.Endpoints, state.Endpoint{Network: network})
		c.Close()
	}
	sees(t, "on the wire", h.outside, "tcp", "192.0.2.64:80", "192.0.2.1")
	c, err := h.m.Disconnect(b.change(n), "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	sees(t, "published at the next network", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	if r := routesIn(b.ns); !strings.Contains(r, "default via 10.2.0.1 dev eth2") || strings.Contains(r, "eth0") {
		t.Errorf("routes\n%s", r)
	}
	b.res.Status, b.res.Teardown = c.Status, c.After
	if err := c.Release(); err != nil {
		t.Error(err)
	}
	c.Close()
	if all, err := h.m.leases("one").All(); len(all) > 0 || err != nil {
		t.Errorf("leases of the network that it left: %v, %v", all, err)
	}
	rules := run("nft", "list", "ruleset")
	if strings.Contains(rules, "10.1.0.2") || !strings.Contains(rules, "10.2.0.2") {
		t.Errorf("rules\n%s", rules)
	}
}

// What is reverted is as before: devices, addresses, routes, ports, leases.
func TestRevertedChanges(t *testing.T) {
	h := newHost(t)
	h.owned()
	n := in3("one", "lan")
	n.Ports = []state.Port{tcp(8080, 80)}
	b, err := h.start(n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.start(in3("two")); err != nil { // the bridge is there
		t.Fatal(err)
	}
	serve(t, b.ns, "tcp", ":80")
	see := func() string {
		all, err := h.m.leases("two").All()
		lines := strings.Split(machine()+addressesIn(b.ns), "\n")
		for i, l := range lines { // numbers of devices change
			name, _, _ := strings.Cut(l, "@")
			if at := strings.LastIndex(l, " 1"); at >= 0 {
				name += l[at:]
			}
			lines[i] = name
		}
		slices.Sort(lines)
		return fmt.Sprint(run("nft", "list", "ruleset"), strings.Join(lines, "\n"), routesIn(b.ns), len(all), err)
	}
	before := see()
	for name, prepare := range map[string]func() (*EndpointChange, error){
		"connect": func() (*EndpointChange, error) {
			return h.m.Connect(b.change(n), state.Endpoint{Network: "two", Priority: 9})
		},
		"disconnect":         func() (*EndpointChange, error) { return h.m.Disconnect(b.change(n), "one") },
		"disconnect macvlan": func() (*EndpointChange, error) { return h.m.Disconnect(b.change(n), "lan") },
	} {
		c, err := prepare()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Apply(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if see() == before {
			t.Errorf("%s: nothing has changed", name)
		}
		if err := c.Revert(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
		if after := see(); after != before {
			t.Errorf("%s: after\n%s\nbefore\n%s", name, after, before)
		}
		sees(t, name+" reverted", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
		sees(t, name+" reverted, on the wire", h.outside, "tcp", "192.0.2.64:80", "192.0.2.1")
	}
	// And one that is never applied.
	c, err := h.m.Connect(b.change(n), state.Endpoint{Network: "two"})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if after := see(); after != before {
		t.Errorf("prepared only: after\n%s\nbefore\n%s", after, before)
	}
}

func TestMacvlanParents(t *testing.T) {
	h := newHost(t)
	h.network(state.NetworkRecord{Name: "gone", Driver: state.DriverMacvlan, Parent: "nosuch", Subnet: "10.3.0.0/24"})
	h.network(state.NetworkRecord{Name: "open", Driver: state.DriverMacvlan, Subnet: "10.4.0.0/24"})
	h.network(state.NetworkRecord{Name: "vlan", Driver: state.DriverMacvlan, Parent: "nosuch.30", Subnet: "10.5.0.0/24"})
	for network, want := range map[string]string{
		"gone": `cannot join network "gone": its parent device nosuch is not on this host`,
		"open": `cannot join network "open": it names no parent device, and this host has no default route`,
		"vlan": `cannot join network "vlan": cannot use the device nosuch: it is not on this host`,
	} {
		if _, err := h.start(in3(network)); fmt.Sprint(err) != want {
			t.Errorf("got %v want %s", err, want)
		}
	}
	run("ip", "route", "add", "default", "via", "198.51.100.2")
	defer run("ip", "route", "del", "default")
	if _, err := h.start(in3("open")); err != nil {
		t.Error(err)
	}
}

// A network without addresses is in use while a container is in it.
func TestNetworkWithoutAddresses(t *testing.T) {
	h := newHost(t)
	h.network(state.NetworkRecord{Name: "bare", NoAddresses: true})
	b, err := h.start(in3("bare"))
	if err != nil {
		t.Fatal(err)
	}
	if e := b.res.Status.Endpoints[0]; e.IP != "" || e.MAC == "" || e.Interface != "eth0" {
		t.Errorf("status %+v", e)
	}
	if err := h.m.Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.InterfaceByName("br-bare"); err != nil {
		t.Errorf("the bridge was taken from a container: %v", err)
	}
	b.monitor()
	if err := h.m.Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.InterfaceByName("br-bare"); err == nil {
		t.Error("the bridge is left")
	}
}
