package define

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"skiff/netsetup/ipam"
	"skiff/state"
)

// family is one half of a record's addresses.
type family struct {
	name                  string
	bits                  int // the longest prefix that leaves room for containers
	subnet, gateway, span *string
	prefix                netip.Prefix
}

func families(r *state.NetworkRecord) [2]*family {
	return [2]*family{
		{name: "IPv4", bits: 30, subnet: &r.Subnet, gateway: &r.Gateway, span: &r.Range},
		{name: "IPv6", bits: 126, subnet: &r.Subnet6, gateway: &r.Gateway6, span: &r.Range6},
	}
}

// addresses reads subnets, gateways and ranges. "auto" in place of a subnet
// means that one is to be chosen: the record's Subnet is then "auto" until
// Manager.Create does.
func addresses(r *state.NetworkRecord, q Request) error {
	fs := families(r)
	for _, s := range q.Subnets {
		if err := subnet(fs, s); err != nil {
			return err
		}
	}
	wanted := [2]bool{!q.NoIPv4 && q.IPAM != "none" && q.IPAM != "null", q.IPv6}
	// Podman: with nothing but an IPv6 subnet the network has IPv6 only.
	if r.Subnet == "" && r.Subnet6 != "" && !q.IPv6 {
		wanted[0] = false
	}
	for i, f := range fs {
		if i == 0 && q.NoIPv4 && *f.subnet != "" {
			return state.Errorf(state.ErrInvalid, "an IPv4 --subnet and --ipv4=false exclude each other")
		}
		if *f.subnet == "" && wanted[i] {
			*f.subnet = Auto
		}
	}
	for _, s := range q.Gateways {
		if err := gateway(fs, s); err != nil {
			return err
		}
	}
	for _, s := range q.Ranges {
		if err := ipRange(fs, s); err != nil {
			return err
		}
	}
	if r.Subnet == "" && r.Subnet6 == "" && q.IPAM != "none" && q.IPAM != "null" {
		return state.Errorf(state.ErrInvalid, "IPv4 or IPv6 must be enabled")
	}
	for _, f := range fs {
		Complete(r, f.prefix)
	}
	return nil
}

// Auto stands for a subnet that is to be chosen.
const Auto = "auto"

func subnet(fs [2]*family, s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return state.Errorf(state.ErrInvalid, "invalid subnet %q: want an address and a prefix length, such as 10.5.0.0/24", s)
	}
	f := fs[0]
	if p.Addr().Is6() {
		f = fs[1]
	}
	switch {
	case *f.subnet != "":
		return state.Errorf(state.ErrInvalid, "a network has at most one %s subnet", f.name)
	case p.Bits() > f.bits || p.Addr().Is4In6():
		return state.Errorf(state.ErrInvalid, "invalid subnet %q: it has no room for containers", s)
	case p.Bits() < 4 || p.Addr().IsMulticast() || p.Addr().IsLoopback() || p.Masked().Addr().IsUnspecified():
		return state.Errorf(state.ErrInvalid, "invalid subnet %q: containers cannot have such addresses", s)
	}
	f.prefix = p.Masked()
	*f.subnet = f.prefix.String()
	return nil
}

// containing is the family whose subnet contains the prefix.
func containing(fs [2]*family, p netip.Prefix) *family {
	for _, f := range fs {
		if f.prefix.IsValid() && f.prefix.Contains(p.Addr()) && p.Bits() >= f.prefix.Bits() {
			return f
		}
	}
	return nil
}

func gateway(fs [2]*family, s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return state.Errorf(state.ErrInvalid, "invalid gateway %q: not an IP address", s)
	}
	f := containing(fs, netip.PrefixFrom(a, a.BitLen()))
	switch {
	case f == nil && !fs[0].prefix.IsValid() && !fs[1].prefix.IsValid():
		return state.Errorf(state.ErrInvalid, "a --gateway needs a --subnet that contains it")
	case f == nil:
		return state.Errorf(state.ErrInvalid, "gateway %s is not in subnet %s", s, given(fs))
	case *f.gateway != "":
		return state.Errorf(state.ErrInvalid, "subnet %s has one gateway at most", f.prefix)
	case !host(f.prefix, a):
		return state.Errorf(state.ErrInvalid, "gateway %s cannot be an address of subnet %s: it is the network's own or the broadcast address", s, f.prefix)
	}
	*f.gateway = a.String()
	return nil
}

func given(fs [2]*family) string {
	var out []string
	for _, f := range fs {
		if f.prefix.IsValid() {
			out = append(out, f.prefix.String())
		}
	}
	return strings.Join(out, " or ")
}

// ipRange reads an --ip-range: CIDR, or FIRST-LAST as Podman has it.
func ipRange(fs [2]*family, s string) error {
	first, last, err := ParseRange(s)
	if err != nil {
		return state.Errorf(state.ErrInvalid, "invalid IP range %q: want CIDR, such as 10.5.0.128/25, or FIRST-LAST", s)
	}
	f := containing(fs, netip.PrefixFrom(first, first.BitLen()))
	switch {
	case f == nil && !fs[0].prefix.IsValid() && !fs[1].prefix.IsValid():
		return state.Errorf(state.ErrInvalid, "an --ip-range needs a --subnet that contains it")
	case f == nil || !f.prefix.Contains(last):
		return state.Errorf(state.ErrInvalid, "IP range %s is not in subnet %s", s, given(fs))
	case *f.span != "":
		return state.Errorf(state.ErrInvalid, "subnet %s has one IP range at most", f.prefix)
	}
	*f.span = s
	return nil
}

// ParseRange gives the ends of CIDR or FIRST-LAST.
func ParseRange(s string) (first, last netip.Addr, err error) {
	if lo, hi, ok := strings.Cut(s, "-"); ok {
		if first, err = netip.ParseAddr(lo); err != nil {
			return first, last, err
		}
		last, err = netip.ParseAddr(hi)
		if err == nil && (last.Less(first) || last.BitLen() != first.BitLen()) {
			err = state.ErrInvalid
		}
		return first, last, err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return first, last, err
	}
	return p.Masked().Addr(), ipam.Last(p), nil
}

// host says whether an address can be a host's in the subnet.
func host(p netip.Prefix, a netip.Addr) bool {
	return a != p.Masked().Addr() && (a.Is6() || a != ipam.Last(p))
}

// Complete gives the subnet to the record, with the gateway that it has where
// the user named none: the first address (of the range, if there is one, as
// with Docker).
func Complete(r *state.NetworkRecord, p netip.Prefix) {
	if !p.IsValid() {
		return
	}
	f := families(r)[0]
	if p.Addr().Is6() {
		f = families(r)[1]
	}
	*f.subnet = p.String()
	if *f.gateway != "" || r.NoGateway {
		return
	}
	gw := p.Addr().Next()
	if first, _, err := ParseRange(*f.span); err == nil && host(p, first) && strings.Contains(*f.span, "/") {
		gw = first
	} else if err == nil && strings.Contains(*f.span, "/") {
		gw = first.Next()
	}
	*f.gateway = gw.String()
}

// reserved reads --aux-address.
func reserved(r *state.NetworkRecord, q Request) error {
	fs := families(r)
	for _, f := range fs {
		f.prefix, _ = netip.ParsePrefix(*f.subnet)
	}
	for _, name := range slices.Sorted(maps.Keys(q.Reserved)) {
		s := q.Reserved[name]
		a, err := netip.ParseAddr(s)
		if err != nil {
			return state.Errorf(state.ErrInvalid, "invalid aux address %s=%s: not an IP address", name, s)
		}
		if containing(fs, netip.PrefixFrom(a, a.BitLen())) == nil {
			return state.Errorf(state.ErrInvalid, "aux address %s=%s is in no subnet of the network", name, s)
		}
		if r.Reserved == nil {
			r.Reserved = map[string]string{}
		}
		r.Reserved[name] = a.String()
	}
	return nil
}

// routes reads Podman's --route DESTINATION,GATEWAY[,METRIC] and
// TYPE,DESTINATION[,METRIC].
func routes(r *state.NetworkRecord, q Request) error {
	for _, s := range q.Routes {
		route, err := parseRoute(s)
		if err != nil {
			return state.Errorf(state.ErrInvalid, "invalid route %q: want DESTINATION,GATEWAY[,METRIC] or blackhole|unreachable|prohibit,DESTINATION[,METRIC]", s)
		}
		r.Routes = append(r.Routes, route)
	}
	return nil
}

func parseRoute(s string) (t state.NetworkRoute, err error) {
	f := strings.Split(s, ",")
	if slices.Contains([]string{"blackhole", "unreachable", "prohibit"}, f[0]) {
		t.Type, f = f[0], f[1:]
	}
	if len(f) == 0 {
		return t, state.ErrInvalid
	}
	dst, err := netip.ParsePrefix(f[0])
	if err != nil {
		return t, err
	}
	t.Destination, f = dst.Masked().String(), f[1:]
	if t.Type == "" {
		if len(f) == 0 {
			return t, state.ErrInvalid
		}
		gw, err := netip.ParseAddr(f[0])
		if err != nil || gw.Is4() != dst.Addr().Is4() {
			return t, state.ErrInvalid
		}
		t.Gateway, f = gw.String(), f[1:]
	}
	switch len(f) {
	case 0:
		return t, nil
	case 1:
		n, err := strconv.ParseUint(f[0], 10, 32)
		t.Metric = int(n)
		return t, err
	}
	return t, state.ErrInvalid
}
