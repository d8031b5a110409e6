package plan

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"skiff/netsetup/define"
	"skiff/state"
)

// device is the container's device, with names that none of its others has.
func device(in Input) (Device, error) {
	r := in.Network
	d := Device{Kind: KindVeth, MTU: cmp.Or(r.MTU, in.MTU), MAC: hardwareAddr(in.IP, in.IP6, in.ID+r.ID)}
	if r.Driver == state.DriverMacvlan || r.Driver == state.DriverIpvlan {
		// Its MTU is the parent's where the network says nothing.
		d.Kind, d.MTU = r.Driver, r.MTU
		d.Parent, d.Mode = cmp.Or(r.Parent, in.Parent), cmp.Or(r.Mode, define.Modes(r.Driver)[0])
	}
	if d.Kind == state.DriverIpvlan || d.Mode == "passthru" {
		d.MAC = nil // it has its parent's
	}
	if in.Want.MAC != "" {
		mac, err := net.ParseMAC(in.Want.MAC)
		if err != nil || len(mac) != 6 {
			return d, fmt.Errorf("invalid MAC address %q", in.Want.MAC)
		}
		if d.Kind == state.DriverIpvlan {
			return d, fmt.Errorf("cannot give a MAC address in network %q: devices of an ipvlan network have their parent's", r.Name)
		}
		d.MAC = mac
	}
	return d, name(&d, in)
}

func interfacePrefix(r state.NetworkRecord) string { return cmp.Or(r.InterfacePrefix, "eth") }

// name chooses the device's names: those that the user wants, or the usual ones
// with the lowest number that is free.
func name(d *Device, in Input) error {
	taken := func(is func(state.EndpointStatus) bool) bool { return slices.ContainsFunc(in.Others, is) }
	inside := func(s string) bool { return taken(func(o state.EndpointStatus) bool { return o.Interface == s }) }
	d.Name = in.Want.Interface
	switch {
	case d.Name == "":
		for n := 0; d.Name == "" || inside(d.Name); n++ {
			d.Name = interfacePrefix(in.Network) + strconv.Itoa(n)
		}
	case !isDevice(d.Name) || d.Name == "lo":
		return fmt.Errorf("invalid name of an interface %q", d.Name)
	case inside(d.Name):
		return fmt.Errorf("the container has an interface %q already", d.Name)
	}
	if d.Kind != KindVeth {
		if in.Want.HostInterface != "" {
			return fmt.Errorf("cannot name an interface of the host in network %q: its driver %s has none", in.Network.Name, in.Network.Driver)
		}
		return nil
	}
	d.Bridge, d.VLAN = in.Network.Bridge, in.Network.VLAN
	if d.Host = in.Want.HostInterface; d.Host != "" {
		if !isDevice(d.Host) {
			return fmt.Errorf("invalid name of an interface %q", d.Host)
		}
		d.Foreign = true
		return nil
	}
	for n := 0; d.Host == "" || taken(func(o state.EndpointStatus) bool { return o.HostLink == d.Host }); n++ {
		d.Host = HostLink(in.ID, n)
	}
	return nil
}

// HostLinkPrefix is what the names of a container's links on the host begin with.
func HostLinkPrefix(id string) string { return "veth" + id[:min(10, len(id))] }

// HostLink names the host's end of the container's nth pair.
func HostLink(id string, n int) string { return HostLinkPrefix(id) + strconv.Itoa(n) }

// hardwareAddr is a locally administered address made from the IPv4 address, so
// that an address that is used again needs no new neighbour entries, or else from
// the IPv6 address, or from what names the device.
func hardwareAddr(ip, ip6 netip.Addr, seed string) net.HardwareAddr {
	if ip.IsValid() {
		b := ip.As4()
		return net.HardwareAddr{0x02, 0x42, b[0], b[1], b[2], b[3]}
	}
	if ip6.IsValid() {
		seed = ip6.String()
	}
	h := sha256.Sum256([]byte(seed))
	return net.HardwareAddr{0x02, h[0], h[1], h[2], h[3], h[4]}
}

// ways are the default routes that a network offers, and the status's gateways.
func (e *Endpoint) ways(in Input, s Subnets) {
	if in.Network.Internal {
		return
	}
	// The devices of such an ipvlan have no neighbours: the parent routes.
	straight := e.Device.Kind == state.DriverIpvlan && e.Device.Mode != "l2"
	for _, f := range []struct {
		four    bool
		gateway netip.Addr
		to      *string
	}{{true, s.Gateway4, &e.Status.Gateway}, {false, s.Gateway6, &e.Status.Gateway6}} {
		if !e.has(f.four) || !f.gateway.IsValid() && !straight {
			continue
		}
		way := Route{To: everywhere(f.four), Metric: in.Network.Metric}
		if !straight {
			way.Via, *f.to = f.gateway, f.gateway.String()
		}
		if !in.Network.NoDefaultRoute {
			e.Ways = append(e.Ways, way)
		}
	}
}

func everywhere(four bool) netip.Prefix {
	if four {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// routes are those that the network gives to each container.
func (e *Endpoint) routes(r state.NetworkRecord, s Subnets) error {
	for _, nr := range r.Routes {
		bad := func(what, value string) error {
			return fmt.Errorf("network %s: %s of a route %q: %w", r.Name, what, value, state.ErrInvalid)
		}
		to, err := netip.ParsePrefix(nr.Destination)
		if err != nil {
			return bad("destination", nr.Destination)
		}
		route := Route{To: to.Masked(), Metric: nr.Metric, Type: nr.Type}
		if !slices.Contains([]string{"", "blackhole", "unreachable", "prohibit"}, nr.Type) {
			return bad("type", nr.Type)
		}
		if nr.Gateway != "" && nr.Type == "" {
			if route.Via, err = netip.ParseAddr(nr.Gateway); err != nil || route.Via.Is4() != to.Addr().Is4() {
				return bad("gateway", nr.Gateway)
			}
		} else if nr.Type == "" {
			if route.Via = s.Gateway4; !to.Addr().Is4() {
				route.Via = s.Gateway6
			}
		}
		if e.has(to.Addr().Is4()) { // nobody can use one of a family that is not there
			e.Routes = append(e.Routes, route)
		}
	}
	return nil
}

// Ways chooses the default routes: of each family that of the endpoint with the
// highest priority, then of the first that offers one. wants are the endpoints'
// in the same order.
func Ways(eps []*Endpoint, wants []state.Endpoint) {
	for _, e := range eps {
		e.Defaults = nil
	}
	for _, four := range []bool{true, false} {
		best := -1
		var way Route
		for i, e := range eps {
			n := slices.IndexFunc(e.Ways, func(r Route) bool { return r.To.Addr().Is4() == four })
			if n >= 0 && (best < 0 || wants[i].Priority > wants[best].Priority) {
				best, way = i, e.Ways[n]
			}
		}
		if best >= 0 {
			eps[best].Defaults = append(eps[best].Defaults, way)
		}
	}
}

// sysctls are the endpoint's, whose names have IFNAME for the interface. Docker:
// driver-opt com.docker.network.endpoint.sysctls
func sysctls(want state.Endpoint, dev string) (out [][2]string, err error) {
	for _, k := range slices.Sorted(maps.Keys(want.Sysctls)) {
		part := strings.Split(k, ".")
		if len(part) != 5 || part[0] != "net" || part[3] != "IFNAME" || strings.ContainsAny(k, "/\x00") ||
			!slices.Contains([]string{"ipv4", "ipv6", "mpls"}, part[1]) || !slices.Contains([]string{"conf", "neigh"}, part[2]) {
			return nil, fmt.Errorf("invalid sysctl of an interface %q: want a name such as net.ipv4.conf.IFNAME.log_martians", k)
		}
		part[3] = dev
		out = append(out, [2]string{strings.Join(part, "/"), want.Sysctls[k]})
	}
	return out, nil
}
