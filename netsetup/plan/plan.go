// Package plan decides how a container's network will look: names, addresses,
// routes and forwards, as data.
//
// It is pure: the same input gives the same plan on any machine. Not here:
// finding out what the machine has, and doing anything.
package plan

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"skiff/netsetup/define"
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
	// VLAN is the VLAN id that the bridge itself is in; 0 for a bridge without VLANs.
	VLAN int
	// Address and Address6 are the gateway's, with the subnet's length; zero without
	// such a gateway.
	Address  netip.Prefix
	Address6 netip.Prefix
}

// Device is a container's network device.
type Device struct {
	Kind string           // KindVeth, state.DriverMacvlan or state.DriverIpvlan
	Name string           // in the container
	MAC  net.HardwareAddr // nil leaves the kernel's
	MTU  int
	// Host is the name of a pair's end on the host, and Bridge the device that it is
	// a port of. Foreign says that the name is the user's, so that a device that has
	// it may be somebody else's.
	Host    string
	Bridge  string
	Foreign bool
	VLAN    int // of the bridge's port
	// Parent is the device of the host's that others sit on, and Mode how.
	Parent string
	Mode   string
}

// KindVeth is the kind of a pair of devices, one of them a bridge's port.
const KindVeth = "veth"

// Route is a route in the container.
type Route struct {
	To     netip.Prefix // 0.0.0.0/0 and ::/0 are the default routes
	Via    netip.Addr   // zero: right over the device
	Metric int
	// Type is empty, or blackhole, unreachable or prohibit.
	Type string
}

// Endpoint is a container's place in one network.
type Endpoint struct {
	Device    Device
	Addresses []netip.Prefix
	// IPv6 says that the device has it.
	IPv6   bool
	Routes []Route
	// Ways are the default routes that the network offers, one of each family at
	// most, and Defaults those of them that the container takes, see Ways.
	Ways     []Route
	Defaults []Route
	// Sysctls are paths below /proc/sys with their values, in order.
	Sysctls [][2]string
	// Firewall is the network's, with an empty Bridge where it has no rules.
	Firewall firewall.Network
	Forwards []firewall.Forward
	Status   state.EndpointStatus
}

// Input is what an endpoint is planned from.
type Input struct {
	ID      string // the container's
	Network state.NetworkRecord
	Want    state.Endpoint
	// IPv6 says that the network has it on this host.
	IPv6 bool
	IP   netip.Addr // zero without IPv4
	IP6  netip.Addr
	MTU  int // where the network says nothing
	// Parent is the parent device where the record leaves it open.
	Parent string
	// Others are the container's endpoints whose names are taken.
	Others []state.EndpointStatus
}

// Plan works an endpoint out, but for its published ports and the choice of the
// default routes.
func Plan(in Input) (Endpoint, error) {
	s, err := ParseSubnets(in.Network)
	if err != nil {
		return Endpoint{}, err
	}
	d, err := device(in)
	if err != nil {
		return Endpoint{}, err
	}
	e := Endpoint{Device: d, Status: state.EndpointStatus{Network: in.Network.Name, Interface: d.Name, HostLink: d.Host, MAC: d.MAC.String()}}
	if Managed(in.Network) {
		e.Firewall = FirewallOf(in.Network, s, in.IPv6)
	}
	if in.IP.IsValid() {
		e.address(netip.PrefixFrom(in.IP, s.Net4.Bits()))
		e.Status.IP, e.Status.PrefixLen = in.IP.String(), s.Net4.Bits()
	}
	if in.IPv6 && in.IP6.IsValid() {
		e.IPv6 = true
		e.address(netip.PrefixFrom(in.IP6, s.Net6.Bits()))
		e.Status.IP6, e.Status.PrefixLen6 = in.IP6.String(), s.Net6.Bits()
	}
	e.ways(in, s)
	if err := e.routes(in.Network, s); err != nil {
		return Endpoint{}, err
	}
	e.Sysctls, err = sysctls(in.Want, d.Name)
	return e, err
}

func (e *Endpoint) address(p netip.Prefix) { e.Addresses = append(e.Addresses, p) }

func (e *Endpoint) has(four bool) bool {
	for _, a := range e.Addresses {
		if a.Addr().Is4() == four {
			return true
		}
	}
	return false
}

// Publish adds the forwards of the ports to the endpoint; their host ports are
// chosen.
func (e *Endpoint) Publish(ports []state.Port) error {
	ip, ip6, err := AddressesOf(e.Status)
	if err != nil {
		return err
	}
	for _, p := range ports {
		fs, err := Forwards(p, ip, ip6)
		if err != nil {
			return err
		}
		e.Forwards = append(e.Forwards, fs...)
	}
	return nil
}

// AddressesOf reads the addresses of an endpoint; those that it has not are zero.
func AddressesOf(st state.EndpointStatus) (ip, ip6 netip.Addr, err error) {
	for _, a := range []struct {
		text string
		to   *netip.Addr
	}{{st.IP, &ip}, {st.IP6, &ip6}} {
		if a.text == "" {
			continue
		}
		if *a.to, err = netip.ParseAddr(a.text); err != nil {
			return ip, ip6, fmt.Errorf("status holds the address %q: %w", a.text, state.ErrInvalid)
		}
	}
	return ip, ip6, nil
}

// Managed says that the network has a bridge with an address and rules of ours.
func Managed(r state.NetworkRecord) bool {
	return r.Driver == state.DriverBridge && r.Mode != ModeUnmanaged
}

// ModeUnmanaged is the mode of a network whose bridge is the host's own.
const ModeUnmanaged = define.Unmanaged

// BridgeOf is the network's bridge.
func BridgeOf(r state.NetworkRecord, s Subnets, ipv6 bool, mtu int) Bridge {
	b := Bridge{Name: r.Bridge, MTU: cmp.Or(r.MTU, mtu), VLAN: r.VLAN, MAC: hardwareAddr(s.Gateway4, s.Gateway6, r.ID)}
	if s.Gateway4.IsValid() {
		b.Address = netip.PrefixFrom(s.Gateway4, s.Net4.Bits())
	}
	if ipv6 && s.Gateway6.IsValid() {
		b.Address6 = netip.PrefixFrom(s.Gateway6, s.Net6.Bits())
	}
	return b
}

// FirewallOf is the network as the firewall sees it.
func FirewallOf(r state.NetworkRecord, s Subnets, ipv6 bool) firewall.Network {
	n := firewall.Network{
		Bridge: r.Bridge, Subnet: s.Net4,
		Internal: r.Internal, NoMasquerade: r.NoMasquerade, Apart: r.Apart, Open: r.Open,
	}
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
		var fs []firewall.Forward
		if ip.IsValid() {
			fs = append(fs, one(netip.IPv4Unspecified(), ip))
		}
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
	if host.Is4() && !ip.IsValid() {
		return nil, fmt.Errorf("cannot publish port %s: the network has no IPv4", PortText(p))
	}
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
	for _, p := range pool {
		if _, taken := overlapping(p, used); !taken {
			return p, nil
		}
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
