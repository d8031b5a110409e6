package netsetup

import (
	"errors"
	"net/netip"
	"slices"

	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
)

// StrayForwards are the addresses in skiff's own firewall rules of this data root
// that published ports lead to, and that no running or starting container has.
func (m *Manager) StrayForwards() ([]netip.Addr, error) {
	fw, err := m.applier()
	if err != nil {
		return nil, err
	}
	all, err := fw.Targets()
	if err != nil {
		return nil, err
	}
	var stray []netip.Addr
	for _, ip := range all {
		if m.stale(ip) {
			stray = append(stray, ip)
		}
	}
	return stray, nil
}

// ForgetForwards takes away the published ports that lead to an address, unless a
// container has it by now.
func (m *Manager) ForgetForwards(ip netip.Addr) error {
	fw, err := m.applier()
	if err != nil || !m.stale(ip) {
		return err
	}
	return fw.Forget([]netip.Addr{ip})
}

// StrayLinks are devices of the host's that belong to containers and are no
// bridge's ports. ids are the containers, which must not run.
func (m *Manager) StrayLinks(ids []string) ([]string, error) {
	conn, err := link.Open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var stray []string
	var errs []error
	for _, id := range ids {
		if m.alive(id) {
			continue
		}
		names, err := conn.Loose(plan.HostLinkPrefix(id))
		stray, errs = append(stray, names...), append(errs, err)
	}
	return stray, errors.Join(errs...)
}

// StrayBridge is the bridge of this data root where no network's record names it;
// empty where there is none.
func (m *Manager) StrayBridge() (string, error) {
	records, err := m.Networks()
	if err != nil {
		return "", err
	}
	name := plan.BridgeName(m.Suffix)
	if slices.ContainsFunc(records, func(r state.NetworkRecord) bool { return r.Bridge == name }) {
		return "", nil
	}
	conn, err := link.Open()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if kind, _, err := conn.Kind(name); err != nil || kind != "bridge" {
		return "", err
	}
	return name, nil
}

// BridgePorts are the devices that are in a network's bridge; none where the bridge
// is not skiff's.
func (m *Manager) BridgePorts(r state.NetworkRecord) ([]string, error) {
	if !plan.Managed(r) {
		return nil, nil
	}
	conn, err := link.Open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Ports(r.Bridge)
}

// DeleteBridge removes a bridge with the ports that it has.
func (m *Manager) DeleteBridge(dev string) error {
	conn, err := link.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	return errors.Join(conn.DeletePorts(dev), conn.Delete(dev))
}
