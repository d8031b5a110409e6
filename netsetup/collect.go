package netsetup

import (
	"errors"
	"os"
	"path/filepath"

	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Collect takes down the devices and rules of networks that no container is in,
// and leaves those alone that somebody is joining. Records stay.
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
	if used, err := m.used(r.Name); used || err != nil {
		return err
	}
	conn, err := link.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := m.takeDown(conn, fw, r); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// used says whether a container that runs, or may run again with the address that
// it had, is in the network.
func (m *Manager) used(network string) (bool, error) {
	pool := m.leases(network)
	taken, err := pool.All()
	if err != nil {
		return false, err
	}
	ids, err := pool.Members()
	if err != nil {
		return false, err
	}
	for _, owner := range taken {
		ids = append(ids, owner)
	}
	for _, id := range ids {
		if m.alive(id) || jsonfile.Exists(m.Roots.Container(id).Config()) {
			return true, nil
		}
	}
	return false, nil
}

// takeDown removes what a network has on the host.
func (m *Manager) takeDown(conn *link.Conn, fw applier, r state.NetworkRecord) error {
	switch {
	case r.Driver != state.DriverBridge:
		return m.dropParent(conn, r.Name)
	case !plan.Managed(r):
		return nil
	}
	s, err := plan.ParseSubnets(r)
	if err != nil {
		return err
	}
	return errors.Join(fw.RemoveNetwork(plan.FirewallOf(r, s, true)), conn.DeletePorts(r.Bridge), conn.Delete(r.Bridge))
}
