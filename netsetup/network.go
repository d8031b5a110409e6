package netsetup

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/netsetup/firewall"
	"skiff/netsetup/ipam"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// network is a network that is there, with what is needed to join it.
type network struct {
	record   state.NetworkRecord
	subnets  plan.Subnets
	parent   string // of devices that sit on one
	index    int    // of the bridge device, or of the parent
	ipv6     bool
	existed  bool // it was there before us
	fw       applier
	lock     *lock.Lock // shared: the network stays while it is held
	warnings []string
}

// attachAll is attach for networks of different names, in their order. The locks
// are taken in the order of the names, so that nobody waits for anybody who waits.
func (m *Manager) attachAll(conn *link.Conn, fw applier, names []string) (nets []*network, err error) {
	defer func() {
		if err != nil {
			release(nets)
			nets = nil
		}
	}()
	nets = make([]*network, len(names))
	order := slices.Sorted(slices.Values(names))
	for _, name := range order {
		nw, err := m.attach(conn, fw, name)
		if err != nil {
			return nets, err
		}
		nets[slices.Index(names, name)] = nw
	}
	return nets, nil
}

func release(nets []*network) {
	for _, nw := range nets {
		if nw != nil {
			nw.lock.Release()
		}
	}
}

// attach finds the network, making what is missing of it, and keeps it from
// being taken down until the lock is released.
func (m *Manager) attach(conn *link.Conn, fw applier, name string) (*network, error) {
	nw := &network{existed: true, fw: fw}
	for range 5 {
		l, err := m.lockNetwork(name, lock.Share)
		if err != nil {
			return nil, err
		}
		ok, err := nw.find(m, conn, name)
		if ok && err == nil {
			nw.lock = l
			if !plan.Managed(nw.record) {
				nw.fw = firewall.None{}
			}
			return nw, nil
		}
		l.Release()
		if err == nil {
			err = m.make(conn, nw, name)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("cannot join network %q: it keeps being removed", name)
}

// lockNetwork takes the network's lock, whose directory goes away when the
// network is taken down.
func (m *Manager) lockNetwork(name string, how func(string) (*lock.Lock, error)) (l *lock.Lock, err error) {
	dir := m.Roots.Network(name)
	for range 5 {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the network's directory: %w", err)
		}
		if l, err = how(filepath.Join(dir, "lock")); !errors.Is(err, os.ErrNotExist) {
			return l, err
		}
	}
	return nil, err
}

// find reports whether the network is complete.
func (nw *network) find(m *Manager, conn *link.Conn, name string) (ok bool, err error) {
	nw.record, err = m.LoadNetwork(name)
	if errors.Is(err, state.ErrNotFound) && name == state.DefaultNetwork {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if nw.subnets, err = plan.ParseSubnets(nw.record); err != nil {
		return false, err
	}
	if nw.record.Driver != state.DriverBridge {
		return nw.findParent(m, conn)
	}
	if nw.index, ok, err = conn.Index(nw.record.Bridge); err != nil || !ok {
		return false, err
	}
	nw.ipv6 = nw.subnets.Net6.IsValid() && sysctl("net/ipv6/conf/"+nw.record.Bridge+"/disable_ipv6") == "0"
	return true, nil
}

// pools are what the network's addresses of both families are taken from.
func (m *Manager) pools(r state.NetworkRecord, s plan.Subnets) (four, six ipam.Pool) {
	p := ipam.Pool{Dir: m.Roots.Network(r.Name), Alive: m.alive, Reserved: s.Reserved}
	four, six = p, p
	four.Subnet, four.Gateway, four.First, four.Last = s.Net4, s.Gateway4, s.Range4.First, s.Range4.Last
	six.Subnet, six.Gateway, six.First, six.Last = s.Net6, s.Gateway6, s.Range6.First, s.Range6.Last
	return four, six
}

// leases is a pool of the network that only tells what is taken.
func (m *Manager) leases(network string) ipam.Pool {
	return ipam.Pool{Dir: m.Roots.Network(network), Alive: m.alive}
}

// make makes the record and the bridge or the parent, under the network's lock.
func (m *Manager) make(conn *link.Conn, nw *network, name string) (err error) {
	l, err := m.lockNetwork(name, lock.Take)
	if err != nil {
		return err
	}
	defer l.Release()
	if ok, err := nw.find(m, conn, name); ok || err != nil {
		return err // somebody else made it meanwhile
	}
	nw.existed = false
	if nw.record.Driver != "" && nw.record.Driver != state.DriverBridge {
		return m.makeParent(conn, nw)
	}
	if nw.record.Mode == plan.ModeUnmanaged {
		return fmt.Errorf("cannot join network %q: its bridge %s is not on this host", name, nw.record.Bridge)
	}
	used, ipv6, err := conn.Routes()
	if err != nil {
		return err
	}
	// Who makes a network with IPv6 wants it also where the host has none beyond.
	ipv6 = (ipv6 || name != state.DefaultNetwork) && hasIPv6()
	if name == state.DefaultNetwork {
		if err := m.record(nw, append(used, nameservers()...)); err != nil {
			return err
		}
	}
	return m.makeBridge(conn, nw, ipv6)
}

func (m *Manager) makeBridge(conn *link.Conn, nw *network, ipv6 bool) error {
	if !nw.subnets.Net4.IsValid() && nw.subnets.Net6.IsValid() && !ipv6 {
		return fmt.Errorf("cannot join network %q: it has only IPv6, which this host has not", nw.record.Name)
	}
	b := plan.BridgeOf(nw.record, nw.subnets, ipv6, m.MTU)
	err := conn.Bridge(b, func() (err error) {
		nw.warnings, err = hostSysctls(b)
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) && b.VLAN > 0 {
		return fmt.Errorf("cannot make the bridge %s: the kernel has no bridges with VLANs", b.Name)
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot make the bridge %s: the kernel has no bridges; use --network host or none", b.Name)
	}
	if err != nil {
		return err
	}
	if err := nw.fw.AddNetwork(plan.FirewallOf(nw.record, nw.subnets, ipv6)); err != nil {
		return errors.Join(err, conn.Delete(b.Name))
	}
	return nil
}

// firewall is the network's rules for this host; with an empty Bridge it has none.
func (nw *network) firewall() firewall.Network {
	if !plan.Managed(nw.record) {
		return firewall.Network{}
	}
	return plan.FirewallOf(nw.record, nw.subnets, nw.ipv6)
}

// leased are addresses that an endpoint takes, with what its end has to remove.
type leased struct {
	ip, ip6   netip.Addr
	entries   []string
	reclaimed []netip.Addr // what dead containers had, whose traces may be left
}

// lease takes the container's addresses: the wanted ones, those that it had, any.
//
// Postconditions: what was taken is in back, also on error.
func (m *Manager) lease(nw *network, id string, want state.Endpoint, before state.EndpointStatus, back *undo) (l leased, err error) {
	four, six := m.pools(nw.record, nw.subnets)
	take := func(p ipam.Pool, wanted string, preferred netip.Addr) (netip.Addr, error) {
		ip, err := optionalAddr(wanted)
		if err != nil {
			return ip, err
		}
		got, err := p.Take(id, ip, preferred)
		if err != nil {
			return got.IP, err
		}
		back.push(func() error { return p.Release(id, got.IP) })
		l.entries = append(l.entries, got.Path)
		if got.Reclaimed {
			l.reclaimed = append(l.reclaimed, got.IP)
		}
		return got.IP, nil
	}
	old, old6, _ := plan.AddressesOf(before)
	if nw.subnets.Net4.IsValid() {
		if l.ip, err = take(four, want.IP, old); err != nil {
			return l, err
		}
	}
	if nw.subnets.Net6.IsValid() && nw.ipv6 {
		if l.ip6, err = take(six, want.IP6, cmp.Or(old6, alike(nw.subnets, l.ip))); err != nil {
			return l, err
		}
	}
	if len(l.entries) == 0 {
		entry, err := four.Join(id)
		if err != nil {
			return l, err
		}
		back.push(func() error { return four.Leave(id) })
		l.entries = append(l.entries, entry)
	}
	return l, nil
}

// alike is the address of the IPv6 network with the host part of the IPv4 address,
// if it has room for that.
func alike(s plan.Subnets, ip netip.Addr) netip.Addr {
	if !ip.IsValid() || !s.Net4.IsValid() || s.Net6.Bits()+32-s.Net4.Bits() > 128 {
		return netip.Addr{}
	}
	b, v4 := s.Net6.Addr().As16(), ip.As4()
	for i := s.Net4.Bits(); i < 32; i++ {
		b[12+i/8] |= v4[i/8] & (0x80 >> (i % 8))
	}
	a := netip.AddrFrom16(b)
	if a.Less(s.Range6.First) || s.Range6.Last.Less(a) {
		return netip.Addr{}
	}
	return a
}

// optionalAddr reads an address that may be missing.
func optionalAddr(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("invalid IP address %q", s)
	}
	return a, nil
}

// previousEndpoints are those of the container's last run, by network.
func previousEndpoints(c dirs.Container) map[string]state.EndpointStatus {
	out := map[string]state.EndpointStatus{}
	for _, path := range []string{c.Exit(), c.Status()} {
		var st state.Status
		if c.Data == "" || jsonfile.Read(path, &st) != nil {
			continue
		}
		for _, e := range st.Network.Endpoints {
			if _, ok := out[e.Network]; !ok {
				out[e.Network] = e
			}
		}
	}
	return out
}
