package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"skiff/netsetup/define"
	"skiff/state"
)

// Subnets are a network's addresses; what it has not is zero.
type Subnets struct {
	Net4, Net6         netip.Prefix
	Gateway4, Gateway6 netip.Addr
	// Range4 and Range6 are what addresses are chosen from.
	Range4, Range6 Range
	Reserved       []netip.Addr
}

// Range are addresses from First to Last.
type Range struct{ First, Last netip.Addr }

// ParseSubnets reads a record, which a person may have edited.
func ParseSubnets(r state.NetworkRecord) (s Subnets, err error) {
	if err := checkDevices(r); err != nil || r.NoAddresses {
		return s, err
	}
	four := family{r: r, what: "", bits: 30, is: netip.Addr.Is4}
	if s.Net4, s.Gateway4, s.Range4, err = four.parse(r.Subnet, r.Gateway, r.Range); err != nil {
		return s, err
	}
	six := family{r: r, what: "6", bits: 126, is: netip.Addr.Is6}
	if s.Net6, s.Gateway6, s.Range6, err = six.parse(r.Subnet6, r.Gateway6, r.Range6); err != nil {
		return s, err
	}
	for name, text := range r.Reserved {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return s, fmt.Errorf("network %s: address %q of %s: %w", r.Name, text, name, state.ErrInvalid)
		}
		s.Reserved = append(s.Reserved, a)
	}
	slices.SortFunc(s.Reserved, netip.Addr.Compare)
	return s, nil
}

func checkDevices(r state.NetworkRecord) error {
	bad := func(what, value string) error {
		return fmt.Errorf("network %s: %s %q: %w", r.Name, what, value, state.ErrInvalid)
	}
	switch r.Driver {
	case state.DriverBridge:
		if !isDevice(r.Bridge) {
			return bad("bridge", r.Bridge)
		}
	case state.DriverMacvlan, state.DriverIpvlan:
		if r.Parent != "" && !isDevice(r.Parent) {
			return bad("parent", r.Parent)
		}
		if r.Mode != "" && !slices.Contains(define.Modes(r.Driver), r.Mode) {
			return bad("mode", r.Mode)
		}
	default:
		return bad("driver", r.Driver)
	}
	if r.VLAN < 0 || r.VLAN > 4094 {
		return bad("VLAN id", fmt.Sprint(r.VLAN))
	}
	if !isDevice(interfacePrefix(r) + "0") {
		return bad("prefix of interfaces", r.InterfacePrefix)
	}
	return nil
}

// isDevice says whether a device can have the name.
func isDevice(s string) bool { return define.CheckDevice(s) == nil }

// family reads the addresses of one family.
type family struct {
	r    state.NetworkRecord
	what string // 6 or nothing, for messages
	bits int    // the longest prefix
	is   func(netip.Addr) bool
}

func (f family) bad(what, value string) error {
	return fmt.Errorf("network %s: %s%s %q: %w", f.r.Name, what, f.what, value, state.ErrInvalid)
}

func (f family) parse(subnet, gateway, span string) (p netip.Prefix, gw netip.Addr, r Range, err error) {
	if subnet == "" {
		if gateway != "" || span != "" {
			return p, gw, r, f.bad("subnet", subnet)
		}
		return p, gw, r, nil
	}
	if p, err = netip.ParsePrefix(subnet); err != nil || !f.is(p.Addr()) || p.Bits() > f.bits {
		return p, gw, r, f.bad("subnet", subnet)
	}
	p = p.Masked()
	if gateway != "" {
		if gw, err = netip.ParseAddr(gateway); err != nil || !p.Contains(gw) {
			return p, gw, r, f.bad("gateway", gateway)
		}
	}
	if span == "" {
		span = p.String()
	}
	if r.First, r.Last, err = define.ParseRange(span); err != nil || !p.Contains(r.First) || !p.Contains(r.Last) {
		return p, gw, r, f.bad("range", span)
	}
	return p, gw, r, nil
}
