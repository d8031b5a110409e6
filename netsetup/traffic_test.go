package netsetup

import (
	"testing"
	"time"

	"skiff/netsetup/link"
	"skiff/state"
)

// sees asks and expects the server to see the client as want; "" means that
// there must be no answer.
func sees(t *testing.T, what string, ns *link.Namespace, network, addr, want string) {
	t.Helper()
	patience := 2 * time.Second
	if want == "" {
		patience = 500 * time.Millisecond
	}
	got, err := askFor(patience, ns, network, addr)
	if want == "" && err == nil {
		t.Errorf("%s: %s %s answered", what, network, addr)
	}
	if want != "" && (err != nil || got != want) {
		t.Errorf("%s: %s %s: server sees %q, %v; want %q", what, network, addr, got, err, want)
	}
}

func TestPublishedPorts(t *testing.T) {
	for _, driver := range []string{DriverNftables, DriverIptables} {
		t.Run(driver, func(t *testing.T) {
			h := newHost(t)
			h.m.Firewall = driver
			reachPublished(t, h)
		})
	}
}

func reachPublished(t *testing.T, h *host) {
	udp := state.Port{HostPort: 5353, ContainerPort: 53, Protocol: "udp"}
	local := state.Port{HostIP: "127.0.0.1", HostPort: 9090, ContainerPort: 80, Protocol: "tcp"}
	a := h.box(tcp(8080, 80), udp, local)
	b := h.box()
	serve(t, a.ns, "tcp", ":80")
	serve(t, a.ns, "tcp", ":81")
	serve(t, a.ns, "udp4", ":53")
	gateway := a.res.Status.Endpoints[0].Gateway

	sees(t, "from the host over loopback", nil, "tcp", "127.0.0.1:8080", gateway)
	sees(t, "from the host by its address", nil, "tcp", "198.51.100.1:8080", "198.51.100.1")
	sees(t, "from the host, localhost", nil, "tcp", "localhost:8080", gateway)
	sees(t, "from the host to the container", nil, "tcp", a.ip+":80", gateway)
	sees(t, "from the host to an unpublished port", nil, "tcp", a.ip+":81", gateway)
	sees(t, "from outside", h.outside, "tcp", "198.51.100.1:8080", "198.51.100.2")
	sees(t, "from outside, IPv6", h.outside, "tcp", "[2001:db8::1]:8080", "2001:db8::2")
	sees(t, "from the host, IPv6", nil, "tcp", "[2001:db8::1]:8080", "2001:db8::1")
	sees(t, "from a neighbour", b.ns, "tcp", a.ip+":80", b.ip)
	sees(t, "from a neighbour by the host's address", b.ns, "tcp", "198.51.100.1:8080", gateway)
	sees(t, "from a neighbour by the gateway", b.ns, "tcp", gateway+":8080", gateway)
	sees(t, "from itself by the host's address", a.ns, "tcp", "198.51.100.1:8080", gateway)
	sees(t, "udp from outside", h.outside, "udp", "198.51.100.1:5353", "198.51.100.2")
	sees(t, "udp from the host", nil, "udp", "127.0.0.1:5353", gateway)
	sees(t, "loopback only, from the host", nil, "tcp", "127.0.0.1:9090", gateway)
	sees(t, "loopback only, from outside", h.outside, "tcp", "198.51.100.1:9090", "")

	run("nsenter", "--net="+h.outside.Path(), "ip", "route", "add", a.ip, "via", "198.51.100.1")
	sees(t, "from outside by the container's address", h.outside, "tcp", a.ip+":80", "")
	sees(t, "from outside to an unpublished port", h.outside, "tcp", a.ip+":81", "")
}
