package netsetup

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"skiff/netsetup/plan"
	"skiff/state"
)

// Validate refuses a network that cannot work, as far as that can be told
// without changing anything.
func (m *Manager) Validate(n state.Network) error {
	switch {
	case n.Mode == state.ModeBridge, n.Mode == state.ModePasta:
	case n.Mode == state.ModeNone, n.Mode == state.ModeHost, strings.HasPrefix(n.Mode, state.ModeContainer):
		if len(n.Endpoints) > 0 {
			return fmt.Errorf("network mode %q cannot be used together with a network", n.Mode)
		}
	default:
		return fmt.Errorf("unknown network mode %q", n.Mode)
	}
	if len(n.Endpoints) > 1 {
		return fmt.Errorf("a container can join one network only")
	}
	for _, p := range n.Ports {
		if err := validPort(p); err != nil {
			return err
		}
	}
	if err := validNames(n); err != nil {
		return err
	}
	for _, e := range n.Expose {
		if _, _, _, err := parseExpose(e); err != nil {
			return err
		}
	}
	if n.Mode == state.ModeBridge {
		return m.validEndpoint(endpoint(n))
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

func (m *Manager) validEndpoint(e state.Endpoint) error {
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
	r, err := m.LoadNetwork(e.Network)
	if err != nil {
		if e.Network == state.DefaultNetwork {
			return nil // it gets its addresses when it is first used
		}
		return err
	}
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	if ip.IsValid() {
		if err := m.pool(r, s).Check(ip); err != nil {
			return err
		}
	}
	if ip6.IsValid() && !s.Net6.Contains(ip6) {
		return fmt.Errorf("address %s is not in the network's subnet %s", ip6, s.Net6)
	}
	return nil
}
