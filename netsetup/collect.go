package netsetup

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// busyNetwork bounds how long a network is waited for that nobody is in.
const busyNetwork = 2 * time.Second

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
	l, err := m.unused(r.Name)
	if l == nil || err != nil {
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

// unused takes the lock of a network that no container is in; nil where one is. A
// container that is joining is in it before long, and whoever restores lost rules
// (Reload) has the lock for a moment only: that is waited for, since nobody else would
// take the network down.
func (m *Manager) unused(network string) (*lock.Lock, error) {
	for deadline := time.Now().Add(busyNetwork); ; time.Sleep(10 * time.Millisecond) {
		l, err := lock.Try(filepath.Join(m.Roots.Network(network), "lock"))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil // somebody else has just taken it down
		}
		if !errors.Is(err, lock.ErrBusy) {
			return l, err
		}
		if used, err := m.used(network); used || err != nil || time.Now().After(deadline) {
			return nil, err
		}
	}
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
