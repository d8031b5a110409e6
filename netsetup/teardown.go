package netsetup

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/names"
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
	Watch() ([]*os.File, error)
	Restore([]firewall.Network, []firewall.Forward) error
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
		if owner := m.leases(r.Name).Owner(ip); owner != "" && m.alive(owner) {
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
		errs = append(errs, m.deleteLinks(conn, id, st))
	}
	return errors.Join(errs...)
}

// deleteLinks removes the host's ends of the container's devices.
func (m *Manager) deleteLinks(conn *link.Conn, id string, st state.NetworkStatus) error {
	names, err := conn.Named(plan.HostLinkPrefix(id))
	errs := []error{err}
	for _, e := range st.Endpoints {
		if e.HostLink == "" || slices.Contains(names, e.HostLink) {
			continue
		}
		if ok, err := conn.Owns(e.HostLink, id); ok || err != nil {
			names, errs = append(names, e.HostLink), append(errs, err)
		}
	}
	for _, name := range names {
		errs = append(errs, conn.Delete(name))
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

// leave gives up the container's place in one network.
func (m *Manager) leave(fw applier, r state.NetworkRecord, id string, st state.NetworkStatus) error {
	pool := m.leases(r.Name)
	all, err := pool.All()
	if err != nil {
		return err
	}
	for _, e := range st.Endpoints {
		ip, ip6, err := plan.AddressesOf(e)
		if err != nil || e.Network != r.Name {
			continue
		}
		for _, ip := range []netip.Addr{ip, ip6} {
			// Given back already; forwards to it can be nobody else's.
			if ip.IsValid() && all[ip] == "" {
				all[ip] = id
			}
		}
	}
	var ips []netip.Addr
	for ip, owner := range all {
		if owner == id {
			ips = append(ips, ip)
		}
	}
	errs := []error{names.WithdrawAll(m.Roots.Network(r.Name), id)}
	if len(ips) > 0 && plan.Managed(r) {
		errs = append(errs, fw.Forget(ips))
	}
	for _, ip := range ips {
		errs = append(errs, pool.Release(id, ip))
	}
	return errors.Join(append(errs, pool.Leave(id))...)
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
