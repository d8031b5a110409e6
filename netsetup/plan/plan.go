// Package plan decides how a container's network will look: names, addresses,
// routes and forwards, as data.
//
// It is pure: the same input gives the same plan on any machine. Not here:
// finding out what the machine has, and doing anything.
package plan

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"skiff/netsetup/firewall"
	"skiff/state"
)

// ContainerInterface is the name of the container's first interface.
const ContainerInterface = "eth0"

// Bridge is a network's bridge device on the host.
type Bridge struct {
	Name string
	MAC  net.HardwareAddr
	MTU  int // 0 leaves the kernel's
	// Address and Address6 are the gateway's, with the subnet's length.
	Address  netip.Prefix
	Address6 netip.Prefix // zero without IPv6
}

// Veth is the pair of devices that joins a container to a bridge.
type Veth struct {
	Host   string // name of the end on the host
	Peer   string // name of the end in the container
	Bridge string
	MAC    net.HardwareAddr // of the container's end
	MTU    int
}

// Endpoint is a container's place in one network.
type Endpoint struct {
	Bridge    Bridge
	Veth      Veth
	Addresses []netip.Prefix
	Gateways  []netip.Addr
	Firewall  firewall.Network
	Forwards  []firewall.Forward
	Status    state.EndpointStatus
}

// Input is what an endpoint is planned from.
type Input struct {
	ID      string // the container's
	Network state.NetworkRecord
	// IPv6 says that the network has it on this host.
	IPv6 bool
	IP   netip.Addr
	IP6  netip.Addr
	MAC  string // as wanted by the user, or empty
	MTU  int
	// Ports have their host ports chosen.
	Ports []state.Port
}

// Subnets are a record's networks and gateways; the second pair is zero
// without IPv6.
type Subnets struct {
	Net4, Net6         netip.Prefix
	Gateway4, Gateway6 netip.Addr
}

// ParseSubnets reads a record, which a person may have edited.
func ParseSubnets(r state.NetworkRecord) (s Subnets, err error) {
	bad := func(what, value string) error {
		return fmt.Errorf("network %s: %s %q: %w", r.Name, what, value, state.ErrInvalid)
	}
	if s.Net4, err = netip.ParsePrefix(r.Subnet); err != nil || !s.Net4.Addr().Is4() || s.Net4.Bits() > 30 {
		return s, bad("subnet", r.Subnet)
	}
	s.Net4 = s.Net4.Masked()
	if s.Gateway4, err = netip.ParseAddr(r.Gateway); err != nil || !s.Net4.Contains(s.Gateway4) {
		return s, bad("gateway", r.Gateway)
	}
	if len(r.Bridge) == 0 || len(r.Bridge) > 15 || strings.ContainsAny(r.Bridge, "/ :") {
		return s, bad("bridge", r.Bridge)
	}
	if r.Subnet6 == "" {
		return s, nil
	}
	if s.Net6, err = netip.ParsePrefix(r.Subnet6); err != nil || !s.Net6.Addr().Is6() || s.Net6.Bits() > 112 {
		return s, bad("subnet6", r.Subnet6)
	}
	s.Net6 = s.Net6.Masked()
	if s.Gateway6, err = netip.ParseAddr(r.Gateway6); err != nil || !s.Net6.Contains(s.Gateway6) {
		return s, bad("gateway6", r.Gateway6)
	}
	return s, nil
}

// Plan works an endpoint out.
func Plan(in Input) (Endpoint, error) {
	s, err := ParseSubnets(in.Network)
	if err != nil {
		return Endpoint{}, err
	}
	mac := hardwareAddr(in.IP)
	if in.MAC != "" {
		if mac, err = net.ParseMAC(in.MAC); err != nil || len(mac) != 6 {
			return Endpoint{}, fmt.Errorf("invalid MAC address %q", in.MAC)
		}
	}
	e := Endpoint{
		Bridge:    BridgeOf(in.Network, s, in.IPv6, in.MTU),
		Veth:      Veth{Host: HostLink(in.ID, 0), Peer: ContainerInterface, Bridge: in.Network.Bridge, MAC: mac, MTU: in.MTU},
		Addresses: []netip.Prefix{netip.PrefixFrom(in.IP, s.Net4.Bits())},
		Gateways:  []netip.Addr{s.Gateway4},
		Firewall:  FirewallOf(in.Network.Bridge, s, in.IPv6),
		Status: state.EndpointStatus{
			Network: in.Network.Name, Interface: ContainerInterface, HostLink: HostLink(in.ID, 0),
			IP: in.IP.String(), PrefixLen: s.Net4.Bits(), Gateway: s.Gateway4.String(), MAC: mac.String(),
		},
	}
	if in.IPv6 && in.IP6.IsValid() {
		e.Addresses = append(e.Addresses, netip.PrefixFrom(in.IP6, s.Net6.Bits()))
		e.Gateways = append(e.Gateways, s.Gateway6)
		e.Status.IP6, e.Status.PrefixLen6, e.Status.Gateway6 = in.IP6.String(), s.Net6.Bits(), s.Gateway6.String()
	}
	for _, p := range in.Ports {
		fs, err := Forwards(p, in.IP, in.IP6)
		if err != nil {
			return Endpoint{}, err
		}
		e.Forwards = append(e.Forwards, fs...)
	}
	return e, nil
}

// BridgeOf is the network's bridge.
func BridgeOf(r state.NetworkRecord, s Subnets, ipv6 bool, mtu int) Bridge {
	b := Bridge{Name: r.Bridge, MAC: hardwareAddr(s.Gateway4), MTU: mtu, Address: netip.PrefixFrom(s.Gateway4, s.Net4.Bits())}
	if ipv6 && s.Net6.IsValid() {
		b.Address6 = netip.PrefixFrom(s.Gateway6, s.Net6.Bits())
	}
	return b
}

// FirewallOf is the network as the firewall sees it.
func FirewallOf(bridge string, s Subnets, ipv6 bool) firewall.Network {
	n := firewall.Network{Bridge: bridge, Subnet: s.Net4}
	if ipv6 {
		n.Subnet6 = s.Net6
	}
	return n
}

// Forwards are the firewall's entries for one published port. A port without
// host address is published in every family that the container has.
func Forwards(p state.Port, ip, ip6 netip.Addr) ([]firewall.Forward, error) {
	one := func(host, to netip.Addr) firewall.Forward {
		return firewall.Forward{Proto: p.Protocol,
			Host: netip.AddrPortFrom(host, p.HostPort), To: netip.AddrPortFrom(to, p.ContainerPort)}
	}
	if p.HostIP == "" {
		fs := []firewall.Forward{one(netip.IPv4Unspecified(), ip)}
		if ip6.IsValid() {
			fs = append(fs, one(netip.IPv6Unspecified(), ip6))
		}
		return fs, nil
	}
	host, err := netip.ParseAddr(p.HostIP)
	if err != nil {
		return nil, fmt.Errorf("cannot publish port %s: %q is not an IP address", PortText(p), p.HostIP)
	}
	host = host.Unmap().WithZone("")
	if host.Is4() {
		return []firewall.Forward{one(host, ip)}, nil
	}
	if host.IsLoopback() {
		return nil, fmt.Errorf("cannot publish port %s: Linux does not route ::1; use 127.0.0.1 or leave the address out", PortText(p))
	}
	if !ip6.IsValid() {
		return nil, fmt.Errorf("cannot publish port %s: the network has no IPv6 on this host", PortText(p))
	}
	return []firewall.Forward{one(host, ip6)}, nil
}

// PortText is the port as a person writes it, such as 127.0.0.1:8080/tcp.
func PortText(p state.Port) string {
	s := strconv.Itoa(int(p.HostPort))
	if p.HostPortEnd > p.HostPort {
		s += "-" + strconv.Itoa(int(p.HostPortEnd))
	}
	if p.HostPort == 0 {
		s = strconv.Itoa(int(p.ContainerPort))
	}
	if p.HostIP != "" {
		s = net.JoinHostPort(p.HostIP, s)
	}
	return s + "/" + p.Protocol
}

// HostLink names the host's end of the container's nth pair.
func HostLink(id string, n int) string {
	return "veth" + id[:min(10, len(id))] + strconv.Itoa(n)
}

// hardwareAddr is a locally administered address made from an IPv4 address, so
// that an address that is used again needs no new neighbour entries.
func hardwareAddr(ip netip.Addr) net.HardwareAddr {
	b := ip.As4()
	return net.HardwareAddr{0x02, 0x42, b[0], b[1], b[2], b[3]}
}

// BridgeName is the name of the default network's device.
func BridgeName(suffix string) string {
	if suffix == "" {
		return "skiff0"
	}
	return "skiff-" + suffix[:min(8, len(suffix))]
}

// Pool are the IPv4 networks to choose the default one from, in the order in
// which they are tried. seed is empty for the default data root; others begin
// elsewhere, so that two roots seldom want the same.
func Pool(seed string) []netip.Prefix {
	var pool []netip.Prefix
	for i := 87; i >= 64; i-- { // below Podman's 10.88.0.0/16 and 10.89.0.0/24
		pool = append(pool, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
	for i := 31; i >= 20; i-- { // above Docker's first choices
		pool = append(pool, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(i), 0, 0}), 16))
	}
	for i := 240; i >= 128; i -= 16 {
		pool = append(pool, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 0}), 20))
	}
	if seed == "" {
		return pool
	}
	h := sha256.Sum256([]byte(seed))
	k := (int(h[0])<<8 | int(h[1])) % len(pool)
	return append(pool[k:len(pool):len(pool)], pool[:k]...)
}

// Choose gives the first network of the pool that overlaps none of those used.
func Choose(pool, used []netip.Prefix) (netip.Prefix, error) {
next:
	for _, p := range pool {
		for _, u := range used {
			if u.Bits() > 0 && u.Overlaps(p) {
				continue next
			}
		}
		return p, nil
	}
	return netip.Prefix{}, fmt.Errorf("cannot find a free subnet: every private network is routed on this host")
}

// UniqueLocal is the IPv6 network that belongs to a seed (RFC 4193 section 3.1:
// fd, 40 bits that are likely unique, 16 bits of subnet).
func UniqueLocal(seed string) netip.Prefix {
	h := sha256.Sum256([]byte("skiff " + seed))
	a := [16]byte{0xfd}
	copy(a[1:6], h[:5])
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}
