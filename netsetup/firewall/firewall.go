// Package firewall keeps the kernel's packet rules for skiff's networks: what
// is published, what is translated and what is dropped.
//
// The rules are data (rules.go). Two appliers put them into the kernel: NFT
// through netlink, and IPTables through the iptables programs. A container's
// ports are elements of maps, so starting one never changes a rule.
//
// Not here: choosing ports and addresses, and anything about links.
package firewall

import (
	"errors"
	"net/netip"
)

var (
	// ErrPortInUse: the host port is taken.
	ErrPortInUse = errors.New("address already in use")
	// ErrUnsupported: the kernel or the host lacks what the applier needs.
	ErrUnsupported = errors.New("not supported by this host")
)

// Network is a bridge network as the firewall sees it.
type Network struct {
	Bridge  string
	Subnet  netip.Prefix // zero without IPv4
	Subnet6 netip.Prefix // zero without IPv6
	// Internal: nothing is forwarded between the network and anything outside, and
	// new connections from it do not reach the host.
	Internal bool
	// NoMasquerade: the containers' addresses are not translated on the way out.
	NoMasquerade bool
	// Apart: containers of the network do not reach each other.
	Apart bool
	// Open: the network and others that are open reach each other.
	Open bool
}

// Forward is one published port: what arrives for Host goes to To.
type Forward struct {
	Proto string // tcp, udp or sctp
	// Host is where clients connect to. The unspecified address (0.0.0.0 or ::)
	// stands for every address of the host in that family.
	Host netip.AddrPort
	To   netip.AddrPort
}

// TableName is the name of the nftables table; suffix is empty for the default
// data root.
func TableName(suffix string) string {
	if suffix == "" {
		return "skiff"
	}
	return "skiff-" + suffix
}
