package netsetup

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// applier puts rules into the kernel; see package firewall.
type applier interface {
	Add(firewall.Network, []firewall.Forward) (remade bool, err error)
	Undo([]firewall.Forward) ([][]byte, error)
	Remove([]firewall.Forward) error
	Forget([]netip.Addr) error
	Targets() ([]netip.Addr, error)
	AddNetwork(firewall.Network) error
	RemoveNetwork(firewall.Network) error
}

// applier is the driver that the user chose, or else nftables where the kernel
// has it, or else iptables.
func (m *Manager) applier() (applier, error) {
	nft := &firewall.NFT{Table: firewall.TableName(m.Suffix), Stale: m.stale}
	switch m.Firewall {
	case DriverNftables:
		return nft, nil
	case DriverIptables:
		return &firewall.IPTables{Suffix: m.Suffix}, nil
	case DriverNone:
		return firewall.None{}, nil
	case DriverAuto:
		if firewall.HasNFT() {
			return nft, nil
		}
		return &firewall.IPTables{Suffix: m.Suffix}, nil
	}
	return nil, fmt.Errorf("unknown firewall driver %q: want nftables, iptables or none", m.Firewall)
}

// stale reports whether no running container has the address.
func (m *Manager) stale(ip netip.Addr) bool {
	records, _ := m.Networks()
	for _, r := range records {
		s, err := plan.ParseSubnets(r)
		if err != nil {
			continue
		}
		v4 := ip
		if s.Net6.IsValid() && s.Net6.Contains(ip) {
			v4 = address4(s, ip)
		}
		if owner := m.pool(r, s).Owner(v4); owner != "" && m.alive(owner) {
			return false
		}
	}
	return true
}

// Teardown takes away whatever the container has. It needs no recorded data,
// but uses st, which may be empty, to find what is no longer the container's by
// its lease. It may be repeated, does what it can and reports the rest.
//
// Preconditions:
//   - the container's monitor is gone, or is waiting for this
func (m *Manager) Teardown(id string, st state.NetworkStatus) error {
	fw, err := m.applier()
	if err != nil {
		return err
	}
	conn, err := link.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	records, err := m.Networks()
	errs := []error{err}
	for _, r := range records {
		errs = append(errs, m.leave(fw, r, id, st))
	}
	if err := os.Remove(m.Roots.Container(id).Netns()); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err) // pasta's reason to live
	}
	if ownsNetwork() {
		errs = append(errs, conn.Delete(plan.HostLink(id, 0)))
	}
	return errors.Join(errs...)
}

// ownsNetwork says whether this process could have the right to make devices
// where it is: not in a user namespace below the one that owns the network. See
// ioctl_ns(2).
func ownsNetwork() bool {
	fd, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err != nil {
		return !errors.Is(err, unix.EPERM)
	}
	unix.Close(owner)
	return true
}

// leave gives up the container's addresses in one network.
func (m *Manager) leave(fw applier, r state.NetworkRecord, id string, st state.NetworkStatus) error {
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	pool := m.pool(r, s)
	all, err := pool.All()
	errs := []error{err}
	for _, e := range st.Endpoints {
		// Given back already; forwards to it can be nobody else's.
		if ip, err := netip.ParseAddr(e.IP); err == nil && e.Network == r.Name && all != nil && all[ip] == "" {
			all[ip] = id
		}
	}
	for ip, owner := range all {
		if owner != id {
			continue
		}
		ips := []netip.Addr{ip}
		if s.Net6.IsValid() {
			six, err := address6(s, ip, "")
			errs = append(errs, err)
			ips = append(ips, six)
		}
		errs = append(errs, fw.Forget(ips), pool.Release(id, ip))
	}
	return errors.Join(errs...)
}

// Networks are the records that there are; the default network has one once it
// was used.
func (m *Manager) Networks() ([]state.NetworkRecord, error) {
	paths, err := filepath.Glob(m.Roots.NetworkRecord("*"))
	if err != nil {
		return nil, err
	}
	var all []state.NetworkRecord
	var errs []error
	for _, p := range paths {
		name := filepath.Base(p)
		r, err := m.LoadNetwork(name[:len(name)-len(".json")])
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}

// Collect takes down the bridges and rules of networks that no container is
// in, and leaves those alone that somebody is joining. Records stay.
func (m *Manager) Collect() error {
	fw, err := m.applier()
	if err != nil {
		return err
	}
	records, err := m.Networks()
	errs := []error{err}
	for _, r := range records {
		errs = append(errs, m.collect(fw, r))
	}
	return errors.Join(errs...)
}

func (m *Manager) collect(fw applier, r state.NetworkRecord) error {
	dir := m.Roots.Network(r.Name)
	if !jsonfile.Exists(dir) {
		return nil // nobody was in it since the boot
	}
	l, err := lock.Try(filepath.Join(dir, "lock"))
	if errors.Is(err, lock.ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	taken, err := m.pool(r, s).All()
	if err != nil {
		return err
	}
	for _, owner := range taken {
		if m.alive(owner) || jsonfile.Exists(m.Roots.Container(owner).Config()) {
			return nil
		}
	}
	conn, err := link.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	err = errors.Join(fw.RemoveNetwork(plan.FirewallOf(r.Bridge, s, true)), conn.DeletePorts(r.Bridge), conn.Delete(r.Bridge))
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// reassert puts the forwards of all running containers but one into the
// firewall again.
func (m *Manager) reassert(fw applier, except string) error {
	store, err := state.Open(m.Roots)
	if err != nil {
		return err
	}
	ids, err := store.IDs()
	errs := []error{err}
	for _, id := range ids {
		if id == except || !m.alive(id) {
			continue
		}
		st, err := store.Status(id)
		if err != nil || len(st.Network.Endpoints) == 0 {
			continue // it ended, or its start is about to add its own
		}
		errs = append(errs, m.assert(fw, st.Network))
	}
	return errors.Join(errs...)
}

func (m *Manager) assert(fw applier, n state.NetworkStatus) error {
	e := n.Endpoints[0]
	r, err := m.LoadNetwork(e.Network)
	if err != nil {
		return err
	}
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(e.IP)
	if err != nil {
		return fmt.Errorf("status holds the address %q: %w", e.IP, state.ErrInvalid)
	}
	ip6, _ := netip.ParseAddr(e.IP6)
	var fs []firewall.Forward
	for _, p := range n.Ports {
		f, err := plan.Forwards(p, ip, ip6)
		if err != nil {
			return err
		}
		fs = append(fs, f...)
	}
	nw := plan.FirewallOf(r.Bridge, s, ip6.IsValid())
	if err := fw.AddNetwork(nw); err != nil {
		return err
	}
	_, err = fw.Add(nw, fs)
	return err
}

// DeleteLink removes a device of the host's that a container has left behind.
func (m *Manager) DeleteLink(dev string) error {
	conn, err := link.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Delete(dev)
}

// Reload puts all rules into the firewall again, after somebody flushed it.
func (m *Manager) Reload() error {
	fw, err := m.applier()
	if err != nil {
		return err
	}
	return m.reassert(fw, "")
}

// RemoveRecord removes a network that no container is in: its devices, rules and
// record.
func (m *Manager) RemoveRecord(name string) error {
	r, err := m.LoadNetwork(name)
	if err != nil {
		return err
	}
	fw, err := m.applier()
	if err != nil {
		return err
	}
	if err := m.collect(fw, r); err != nil {
		return err
	}
	if jsonfile.Exists(m.Roots.Network(name)) {
		return fmt.Errorf("cannot remove network %q: %w", name, lock.ErrBusy)
	}
	if err := os.Remove(m.Roots.NetworkRecord(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove network %q: %w", name, err)
	}
	return nil
}
