package netsetup

import (
	"errors"
	"slices"

	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
)

// PortChange is a change of the published ports.
type PortChange struct {
	Change
	nw *network
}

// ChangePorts prepares to publish the ports of add and to take back those of
// remove, which must be among st.Ports. Nothing is changed but that the new host
// ports are reserved. The caller closes the change when it is made or reverted.
//
// Preconditions:
//   - the container runs, st and td are what is recorded of it, and its lock is
//     held
func (m *Manager) ChangePorts(id string, st state.NetworkStatus, td state.Teardown, add, remove []state.Port) (_ *PortChange, err error) {
	i, err := m.publisher(st.Endpoints)
	if err != nil {
		return nil, err
	}
	if i < 0 {
		return nil, errors.New("cannot change the published ports of a running container whose network is not a bridge")
	}
	for _, p := range add {
		if err := validPort(p); err != nil {
			return nil, err
		}
	}
	fw, err := m.applier()
	if err != nil {
		return nil, err
	}
	e := st.Endpoints[i]
	c := &PortChange{Change: Change{m: m, id: id, Status: st}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.conn, err = link.Open(); err != nil {
		return nil, err
	}
	if c.nw, err = m.attach(c.conn, fw, e.Network); err != nil {
		return nil, err
	}
	c.added, c.removed = forwarding{nw: c.nw, link: e.HostLink}, forwarding{nw: c.nw, link: e.HostLink}
	if err := c.settle(e, add, remove); err != nil {
		return nil, err
	}
	all := plan.Endpoint{Status: e}
	if err := all.Publish(c.Status.Ports); err != nil {
		return nil, err
	}
	entries, err := m.entries(id, e)
	if err != nil {
		return nil, err
	}
	return c, c.teardowns(fw, td, all.Forwards, entries)
}

// settle chooses and reserves host ports and works the forwards out.
func (c *PortChange) settle(e state.EndpointStatus, add, remove []state.Port) (err error) {
	old, fresh := plan.Endpoint{Status: e}, plan.Endpoint{Status: e}
	ports := slices.DeleteFunc(slices.Clone(c.Status.Ports), func(p state.Port) bool { return slices.Contains(remove, p) })
	c.Released = slices.Clone(remove)
	for _, p := range atHost(add, c.nw.record) {
		// A host port that only gets another target stays reserved throughout.
		again := slices.IndexFunc(c.Released, func(r state.Port) bool { return p.HostPort != 0 && p.HostPortEnd == 0 && sameHost(r, p) })
		if again >= 0 {
			c.Released = slices.Delete(c.Released, again, again+1)
		} else {
			settled, files, err := c.m.reserve([]state.Port{p}, families{e.IP != "", e.IP6 != ""})
			if err != nil {
				return err
			}
			p = settled[0]
			c.Fresh, c.Reserved = append(c.Fresh, p), append(c.Reserved, files...)
		}
		ports = append(ports, p)
		if err := fresh.Publish([]state.Port{p}); err != nil {
			return err
		}
	}
	if err := old.Publish(remove); err != nil {
		return err
	}
	c.added.fs, c.removed.fs = fresh.Forwards, old.Forwards
	c.Status.Ports = ports
	return nil
}

func sameHost(a, b state.Port) bool {
	return a.HostIP == b.HostIP && a.HostPort == b.HostPort && a.Protocol == b.Protocol
}

// Apply makes the change in the kernel. On error it is as before.
func (c *PortChange) Apply() error {
	if err := c.swap(c.removed, c.added); err != nil {
		return errors.Join(err, c.Revert())
	}
	return nil
}

// Revert puts back in the kernel what was there before Apply.
func (c *PortChange) Revert() error {
	// Of the forwards to remove some may be there still: all of them are made anew.
	return errors.Join(c.nw.fw.Remove(c.added.fs), c.nw.fw.Remove(c.removed.fs), c.add(c.removed), c.flush())
}

// Withdraw takes every forward of the change away: the container has ended.
func (c *PortChange) Withdraw() error { return c.withdraw() }

// Close lets go of what the change holds, the reserved ports among it.
func (c *PortChange) Close() {
	c.letGo()
	if c.nw != nil {
		c.nw.lock.Release()
	}
	if c.conn != nil {
		c.conn.Close()
	}
}
