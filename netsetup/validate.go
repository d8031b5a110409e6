package netsetup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"skiff/netsetup/ipam"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/names"
)

// Validate refuses a network that cannot work, as far as that can be told
// without changing anything.
func (m *Manager) Validate(n state.Network) error {
	switch {
	case n.Mode == state.ModeBridge, n.Mode == state.ModePasta:
	case n.Mode == state.ModeNone, n.Mode == state.ModeHost, strings.HasPrefix(n.Mode, state.ModeContainer), strings.HasPrefix(n.Mode, state.ModePath):
		if len(n.Endpoints) > 0 {
			return fmt.Errorf("network mode %q cannot be used together with a network", n.Mode)
		}
	default:
		return fmt.Errorf("unknown network mode %q", n.Mode)
	}
	for _, p := range n.Ports {
		if err := validPort(p); err != nil {
			return err
		}
	}
	if err := validNames(n); err != nil {
		return err
	}
	for _, e := range n.Endpoints {
		for _, a := range e.Aliases {
			if err := names.Check(a); err != nil {
				return err
			}
		}
	}
	for _, e := range n.Expose {
		if _, _, _, err := parseExpose(e); err != nil {
			return err
		}
	}
	if n.Mode != state.ModeBridge {
		return nil
	}
	for i, e := range n.Endpoints {
		if err := m.ValidEndpoint(e); err != nil {
			return err
		}
		for _, o := range n.Endpoints[:i] {
			switch {
			case o.Network == e.Network:
				return fmt.Errorf("network %q is given twice", e.Network)
			case e.Interface != "" && o.Interface == e.Interface:
				return fmt.Errorf("the interface name %q is given twice", e.Interface)
			}
		}
	}
	return nil
}

func validPort(p state.Port) error {
	switch {
	case !knownProtocol(p.Protocol):
		return fmt.Errorf("cannot publish port %d: unknown protocol %q", p.ContainerPort, p.Protocol)
	case p.ContainerPort == 0:
		return fmt.Errorf("cannot publish port %s: the container's port is 0", plan.PortText(p))
	case p.HostPortEnd != 0 && p.HostPortEnd < p.HostPort:
		return fmt.Errorf("cannot publish port %s: the range ends before it begins", plan.PortText(p))
	}
	if p.HostIP != "" {
		if _, err := netip.ParseAddr(p.HostIP); err != nil {
			return fmt.Errorf("cannot publish port %s: %q is not an IP address", plan.PortText(p), p.HostIP)
		}
	}
	return nil
}

// Messages of Docker's.
var (
	errAddressDefault = errors.New("user specified IP address is supported on user defined networks only")
	errAddressChosen  = errors.New("user specified IP address is supported only when connecting to networks with user configured subnets")
	errAliasDefault   = errors.New("network-scoped alias is supported only for containers in user defined networks")
)

// ValidEndpoint refuses an endpoint that cannot be made.
func (m *Manager) ValidEndpoint(e state.Endpoint) error {
	if e.MAC != "" {
		if mac, err := net.ParseMAC(e.MAC); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
			return fmt.Errorf("invalid MAC address %q", e.MAC)
		}
	}
	ip, err := optionalAddr(e.IP)
	if err != nil {
		return err
	}
	if ip.IsValid() && !ip.Is4() {
		return fmt.Errorf("invalid IPv4 address %q", e.IP)
	}
	ip6, err := optionalAddr(e.IP6)
	if err != nil {
		return err
	}
	if ip6.IsValid() && !ip6.Is6() {
		return fmt.Errorf("invalid IPv6 address %q", e.IP6)
	}
	if e.Network == state.DefaultNetwork {
		switch {
		case ip.IsValid() || ip6.IsValid():
			return errAddressDefault
		case len(e.Aliases) > 0:
			return errAliasDefault
		}
	}
	r, err := m.LoadNetwork(e.Network)
	if errors.Is(err, state.ErrNotFound) && e.Network == state.DefaultNetwork {
		r, err = m.Predefined(state.DefaultNetwork, state.DriverBridge), nil // it gets its addresses when it is first used
		r.Bridge = plan.BridgeName(m.Suffix)
	}
	if err != nil {
		return err
	}
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	return m.validAddresses(r, s, e, ip, ip6)
}

// validAddresses checks the wanted addresses and names against the network.
func (m *Manager) validAddresses(r state.NetworkRecord, s plan.Subnets, e state.Endpoint, ip, ip6 netip.Addr) error {
	if (ip.IsValid() || ip6.IsValid()) && !r.Given {
		return errAddressChosen
	}
	four, six := m.pools(r, s)
	for _, w := range []struct {
		ip   netip.Addr
		pool ipam.Pool
		what string
	}{{ip, four, "IPv4"}, {ip6, six, "IPv6"}} {
		if !w.ip.IsValid() {
			continue
		}
		if !w.pool.Subnet.IsValid() {
			return fmt.Errorf("address %s cannot be used: network %q has no %s subnet", w.ip, r.Name, w.what)
		}
		if err := w.pool.Check(w.ip); err != nil {
			return err
		}
	}
	_, err := plan.Plan(plan.Input{ID: "validation", Network: r, Want: e, IP: ip, IP6: ip6})
	return err
}
