// Package netsetup gives a container its network and takes it away again:
// namespaces, bridges, addresses, published ports, name files.
//
// Setup validates everything before the first change, and undoes what it did
// when it fails. What a running container has is told in state.NetworkStatus,
// and what has to be undone in state.Teardown, as data. Not here: starting
// containers, and knowing which ones there are.
package netsetup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"skiff/netsetup/firewall"
	"skiff/netsetup/ipam"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/lock"
)

// Kinds of failure that callers ask for with errors.Is.
var (
	// ErrPortInUse: a host port is taken.
	ErrPortInUse = firewall.ErrPortInUse
	// ErrAddressInUse: a wanted address belongs to another container.
	ErrAddressInUse = ipam.ErrInUse
)

// Firewall drivers. containers.conf: network.firewall_driver.
const (
	DriverAuto     = ""
	DriverNftables = "nftables"
	DriverIptables = "iptables"
	DriverNone     = "none"
)

// Manager sets networks up below one pair of roots. It holds no state.
type Manager struct {
	Roots    dirs.Roots
	Firewall string // one of the Driver constants
	// Suffix keeps the device and table names of different data roots apart; empty
	// for the default data root.
	Suffix string
	// MTU of bridges and containers' devices; 0 leaves the kernel's.
	MTU int
	// Pasta is pasta's path; empty means that it is looked up.
	Pasta string
	// Subnet is what the default network gets when it is first used; the zero
	// prefix means a free one. containers.conf: network.default_subnet.
	Subnet netip.Prefix
}

// Request is one container's network to set up.
type Request struct {
	ID         string // the container's
	Name       string
	Hostname   string
	Domainname string
	Network    state.Network
	// NS is the container's namespace, for the modes bridge and pasta.
	NS *link.Namespace
	// HostsBase is what the hosts file begins with; nil means the usual lines.
	HostsBase []byte
	// Dir is where the container's name files go.
	Dir dirs.Container
}

// Result is what Setup made.
type Result struct {
	Status state.NetworkStatus
	// Teardown undoes it, but for the devices: the kernel removes them with the
	// namespace, a moment after its last process ended, and waiting for that would
	// cost more than all the rest (Collect does, where it matters). Its Netlink batches are only valid for the process
	// that holds the Reserved sockets: others may have got the ports since. Who
	// takes down after a dead monitor calls Manager.Teardown instead.
	Teardown state.Teardown
	// Reserved are bound sockets that keep the host ports for the container. They
	// have to be held until Teardown was carried out.
	Reserved []*os.File
	// Warnings are lines for the user about what this host cannot do.
	Warnings []string
}

// Close lets go of the reserved sockets.
func (r *Result) Close() {
	for _, f := range r.Reserved {
		f.Close()
	}
	r.Reserved = nil
}

// NewNamespace makes a network namespace with its loopback device up.
func (m *Manager) NewNamespace() (*link.Namespace, error) { return link.NewNamespace() }

// AdoptNamespace is NewNamespace for one that is there; the file is its.
func (m *Manager) AdoptNamespace(f *os.File) (*link.Namespace, error) { return link.AdoptNamespace(f) }

// Setup makes the container's network.
//
// Preconditions:
//   - the container's monitor holds its claim (dirs.Container.Alive)
//   - for bridge and pasta, r.NS is a fresh namespace
//
// Postconditions:
//   - on error nothing is left of it but, if it was missing, the network itself
func (m *Manager) Setup(ctx context.Context, r Request) (Result, error) {
	if err := m.Validate(r.Network); err != nil {
		return Result{}, err
	}
	switch r.Network.Mode {
	case state.ModeBridge:
		return m.setupBridge(ctx, r)
	case state.ModePasta:
		return m.setupPasta(ctx, r)
	}
	return Result{}, nil // none, host and container: have nothing of their own
}

// undo is the steps back, run in reverse where the way forward fails.
type undo []func() error

func (u *undo) push(f func() error) { *u = append(*u, f) }

func (u undo) run(err error) error {
	for i := len(u) - 1; i >= 0; i-- {
		if e := u[i](); e != nil {
			err = fmt.Errorf("%w (and undoing it: %v)", err, e)
		}
	}
	return err
}

func (m *Manager) setupBridge(ctx context.Context, r Request) (res Result, err error) {
	if !ownsNetwork() {
		return res, fmt.Errorf("cannot join network %q: ordinary users have no bridges (use --network pasta, host or none)", endpoint(r.Network).Network)
	}
	var back undo
	defer func() {
		if err != nil {
			err = back.run(err)
			res.Close()
			res = Result{}
		}
	}()
	conn, err := link.Open()
	if err != nil {
		return res, err
	}
	defer conn.Close()
	want := endpoint(r.Network)
	nw, err := m.attach(conn, want.Network)
	if err != nil {
		return res, err
	}
	defer nw.lock.Release()

	in := plan.Input{ID: r.ID, Network: nw.record, IPv6: nw.ipv6, MAC: want.MAC, MTU: m.MTU}
	lease, err := m.lease(nw, r, want)
	if err != nil {
		return res, err
	}
	back.push(func() error { return nw.pool.Release(r.ID, lease.IP) })
	in.IP = lease.IP
	if nw.ipv6 {
		if in.IP6, err = address6(nw.subnets, lease.IP, want.IP6); err != nil {
			return res, err
		}
	}
	if lease.Reclaimed {
		if err := nw.fw.Forget(addresses(in.IP, in.IP6)); err != nil {
			return res, err
		}
	}
	if in.Ports, res.Reserved, err = reserve(PublishedPorts(r.Network), in.IP6.IsValid()); err != nil {
		return res, err
	}
	ep, err := plan.Plan(in)
	if err != nil {
		return res, err
	}
	if err := m.connect(conn, r, nw, ep, &back); err != nil {
		return res, err
	}
	res.Teardown.Netlink, err = nw.fw.Undo(ep.Forwards)
	if err != nil {
		return res, err
	}
	if res.Teardown.Netlink == nil && len(ep.Forwards) > 0 {
		res.Teardown.Engine = true // which gives the address back when the rules are gone
	} else {
		res.Teardown.Files = []string{lease.Path}
	}
	res.Warnings = nw.warnings
	res.Status.Endpoints = []state.EndpointStatus{ep.Status}
	res.Status.Ports = in.Ports
	return res, ctx.Err()
}

// connect makes the devices and the rules.
func (m *Manager) connect(conn *link.Conn, r Request, nw *network, ep plan.Endpoint, back *undo) error {
	if err := r.NS.Do(func() error { return containerSysctls(nw.ipv6) }); err != nil {
		return err
	}
	if err := m.veth(conn, r, nw, ep); err != nil {
		return err
	}
	back.push(func() error { return conn.Delete(ep.Veth.Host) })
	if len(ep.Forwards) > 0 && sysctl("net/bridge/bridge-nf-call-iptables") == "1" {
		if err := conn.Hairpin(ep.Veth.Host); err != nil {
			return err
		}
	}
	if err := r.NS.Conn().Endpoint(ep); err != nil {
		return err
	}
	back.push(func() error { return nw.fw.Forget(addresses(ipsOf(ep)...)) })
	remade, err := nw.fw.Add(ep.Firewall, ep.Forwards)
	if err != nil {
		return err
	}
	if remade && nw.existed {
		// Somebody flushed the rules: the other containers' went with them.
		if err := m.reassert(nw.fw, r.ID); err != nil {
			return err
		}
	}
	return conn.FlushUDP(udpPorts(ep.Forwards))
}

// veth makes the pair of devices. The bridge cannot go away under the network's
// shared lock, unless a person removes it.
func (m *Manager) veth(conn *link.Conn, r Request, nw *network, ep plan.Endpoint) error {
	err := conn.Veth(ep.Veth, nw.index, r.NS.Fd())
	if errors.Is(err, link.ErrBridgeFull) {
		return fmt.Errorf("cannot join network %q: %w", nw.record.Name, err)
	}
	return err
}

func ipsOf(ep plan.Endpoint) (ips []netip.Addr) {
	for _, a := range ep.Addresses {
		ips = append(ips, a.Addr())
	}
	return ips
}

func addresses(ips ...netip.Addr) (out []netip.Addr) {
	for _, ip := range ips {
		if ip.IsValid() {
			out = append(out, ip)
		}
	}
	return out
}

func udpPorts(fs []firewall.Forward) (ports []uint16) {
	for _, f := range fs {
		if f.Proto == "udp" {
			ports = append(ports, f.Host.Port())
		}
	}
	return ports
}

// endpoint is the one network to join.
func endpoint(n state.Network) state.Endpoint {
	if len(n.Endpoints) == 0 {
		return state.Endpoint{Network: state.DefaultNetwork}
	}
	return n.Endpoints[0]
}

// lease takes the container's address: the wanted one, the one it had, any.
func (m *Manager) lease(nw *network, r Request, want state.Endpoint) (ipam.Lease, error) {
	wanted, err := optionalAddr(want.IP)
	if err != nil {
		return ipam.Lease{}, err
	}
	var before netip.Addr
	if !wanted.IsValid() {
		before = previousAddress(r.Dir, nw.record.Name)
	}
	return nw.pool.Take(r.ID, wanted, before)
}

func (m *Manager) alive(id string) bool {
	return state.IsID(id) && lock.Held(m.Roots.Container(id).Alive())
}
