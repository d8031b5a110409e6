package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

// Targets are the addresses that published ports lead to, each once.
func (n *NFT) Targets() ([]netip.Addr, error) {
	var all []netip.Addr
	for _, name := range []string{mapAny4, mapOn4, mapAny6, mapOn6} {
		es, err := n.list(name)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			// An address and a port, which takes four bytes.
			if ip, ok := netip.AddrFromSlice(e.Val[:max(0, len(e.Val)-4)]); ok {
				all = append(all, ip)
			}
		}
	}
	return unique(all), nil
}

// Targets are the addresses that published ports lead to, each once.
func (t *IPTables) Targets() ([]netip.Addr, error) {
	var all []netip.Addr
	for _, six := range []bool{false, true} {
		have, err := t.published(six)
		if err != nil {
			return nil, err
		}
		for _, rule := range have {
			if dst, ok := destination(rule); ok {
				all = append(all, dst.Addr())
			}
		}
	}
	return unique(all), nil
}

// destination is where a rule, as iptables -S prints it, leads.
func destination(rule string) (netip.AddrPort, bool) {
	_, to, ok := strings.Cut(rule, "--to-destination ")
	dst, err := netip.ParseAddrPort(strings.TrimSpace(to))
	return dst, ok && err == nil
}

func unique(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
