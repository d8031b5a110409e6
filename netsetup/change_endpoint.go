package netsetup

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
	"skiff/state/names"
)

// EndpointChange connects a container that runs to a network, or disconnects it.
type EndpointChange struct {
	Change
	// Warnings are lines for the user about what cannot be kept.
	Warnings []string

	j *joining
	// leaves says that the joint is taken away, and not made.
	leaves  bool
	applied bool
	// entry is what the container is called in the network.
	entry names.Entry
	// before and after are the default routes that change, by the names of their
	// devices.
	before, after map[string][]plan.Route
}

// ChangeRequest is a running container whose endpoints are to change.
type ChangeRequest struct {
	ID   string
	Name string
	// Links are as for Request.
	Links map[string]string
	// NS is its network namespace, and Network its config.
	NS      *link.Namespace
	Network state.Network
	// Status and Teardown are what is recorded of it.
	Status   state.NetworkStatus
	Teardown state.Teardown
}

// Connect prepares to make one more endpoint. Nothing is changed but that its
// addresses are taken and host ports reserved. The caller closes the change when
// it is made or reverted.
//
// Preconditions: the container's lock is held
func (m *Manager) Connect(r ChangeRequest, want state.Endpoint) (_ *EndpointChange, err error) {
	if err := m.ValidEndpoint(want); err != nil {
		return nil, err
	}
	c := m.newChange(r)
	defer c.closeOn(&err)
	if c.j, err = m.open(r.ID, r.NS, []state.Endpoint{want}); err != nil {
		return nil, err
	}
	c.conn = c.j.conn
	if err := c.j.plan(r.Status.Endpoints, nil); err != nil {
		return nil, err
	}
	t := c.j.joints[0]
	here, err := m.existing(r)
	if err != nil {
		return nil, err
	}
	c.ways(r, here, append(slices.Clone(here), &t.ep), want)
	if err := c.publishFirst(r, t); err != nil {
		return nil, err
	}
	c.Status.Endpoints = append(slices.Clone(r.Status.Endpoints), t.ep.Status)
	if err := c.record(r); err != nil {
		return nil, err
	}
	return c, c.named(r, want)
}

// Disconnect prepares to take the endpoint in a network away. Nothing is changed
// but that host ports may be reserved, for families that the next endpoint adds.
//
// Preconditions: the container's lock is held
func (m *Manager) Disconnect(r ChangeRequest, network string) (_ *EndpointChange, err error) {
	c := m.newChange(r)
	c.leaves = true
	defer c.closeOn(&err)
	i := slices.IndexFunc(r.Status.Endpoints, func(e state.EndpointStatus) bool { return e.Network == network })
	if i < 0 {
		return nil, fmt.Errorf("it is not in network %q", network)
	}
	pub, err := m.publisher(r.Status.Endpoints)
	if err != nil {
		return nil, err
	}
	c.Status.Endpoints = slices.Delete(slices.Clone(r.Status.Endpoints), i, i+1)
	next, err := m.publisher(c.Status.Endpoints)
	if err != nil {
		return nil, err
	}
	wants := []state.Endpoint{wanted(r.Network, network)}
	if pub == i && next >= 0 {
		wants = append(wants, state.Endpoint{Network: c.Status.Endpoints[next].Network})
	}
	j, err := m.open(r.ID, r.NS, wants)
	if err != nil {
		return nil, err
	}
	c.j, c.conn = j, j.conn
	here, err := m.existing(r)
	if err != nil {
		return nil, err
	}
	c.ways(r, here, slices.Delete(slices.Clone(here), i, i+1))
	j.joints[0].ep = *here[i]
	if pub == i {
		if err := c.publishNext(r, j.joints[0], next); err != nil {
			return nil, err
		}
	}
	for _, t := range j.joints[1:] {
		t.nw.lock.Release()
		t.nw.lock = nil
	}
	j.joints = j.joints[:1]
	if err := c.record(r); err != nil {
		return nil, err
	}
	return c, c.unnamed(r, wants[0])
}

func (m *Manager) newChange(r ChangeRequest) *EndpointChange {
	return &EndpointChange{Change: Change{m: m, id: r.ID, Status: r.Status}, before: map[string][]plan.Route{}, after: map[string][]plan.Route{}}
}

func (c *EndpointChange) closeOn(err *error) {
	if *err != nil {
		c.Close()
	}
}

// wanted is what the config says of the endpoint in a network.
func wanted(n state.Network, network string) state.Endpoint {
	for _, e := range n.Endpoints {
		if e.Network == network {
			return e
		}
	}
	return state.Endpoint{Network: network}
}

// existing plans the endpoints that the container has once more.
func (m *Manager) existing(r ChangeRequest) (eps []*plan.Endpoint, err error) {
	for _, st := range r.Status.Endpoints {
		record, err := m.LoadNetwork(st.Network)
		if err != nil {
			return nil, err
		}
		ip, ip6, err := plan.AddressesOf(st)
		if err != nil {
			return nil, err
		}
		want := wanted(r.Network, st.Network)
		foreign := want.HostInterface != ""
		want.Interface, want.HostInterface, want.MAC = st.Interface, "", ""
		ep, err := plan.Plan(plan.Input{ID: r.ID, Network: record, Want: want, IPv6: ip6.IsValid(), IP: ip, IP6: ip6, MTU: m.MTU})
		if err != nil {
			return nil, err
		}
		ep.Device.Host, ep.Device.Foreign = st.HostLink, foreign
		if ep.Device.MAC != nil {
			if ep.Device.MAC, err = net.ParseMAC(st.MAC); err != nil {
				return nil, fmt.Errorf("status holds the address %q: %w", st.MAC, state.ErrInvalid)
			}
		}
		ep.Status = st
		eps = append(eps, &ep)
	}
	return eps, nil
}

// ways works out which default routes change between two lists of endpoints; more
// are wanted ones that the config has not yet.
func (c *EndpointChange) ways(r ChangeRequest, before, after []*plan.Endpoint, more ...state.Endpoint) {
	n := r.Network
	n.Endpoints = append(slices.Clone(n.Endpoints), more...)
	wants := func(eps []*plan.Endpoint) (out []state.Endpoint) {
		for _, e := range eps {
			out = append(out, wanted(n, e.Status.Network))
		}
		return out
	}
	plan.Ways(after, wants(after))
	for _, e := range after {
		c.after[e.Device.Name] = e.Defaults
	}
	plan.Ways(before, wants(before))
	for _, e := range before {
		c.before[e.Device.Name] = e.Defaults
		if slices.Equal(c.before[e.Device.Name], c.after[e.Device.Name]) {
			delete(c.before, e.Device.Name)
			delete(c.after, e.Device.Name)
		}
	}
	for _, e := range after { // the last call has the endpoints' own
		if d, ok := c.after[e.Device.Name]; ok {
			e.Defaults = d
		}
	}
}

// publishFirst publishes the container's ports at the new endpoint, if it is the
// first that they can be published at.
func (c *EndpointChange) publishFirst(r ChangeRequest, t *joint) error {
	ports := PublishedPorts(r.Network)
	i, err := c.m.publisher(r.Status.Endpoints)
	if err != nil || i >= 0 || len(ports) == 0 || !plan.Managed(t.nw.record) {
		return err
	}
	if c.Fresh, c.Reserved, err = c.m.reserve(atHost(ports, t.nw.record), t.families()); err != nil {
		return err
	}
	c.Status.Ports = c.Fresh
	if err := t.ep.Publish(c.Fresh); err != nil {
		return err
	}
	c.added = forwarding{nw: t.nw, link: t.ep.Device.Host, fs: t.ep.Forwards}
	return nil
}

// publishNext moves the container's ports from the endpoint that goes to the next
// one, or takes them back where there is none.
func (c *EndpointChange) publishNext(r ChangeRequest, t *joint, next int) error {
	old := plan.Endpoint{Status: t.ep.Status}
	if err := old.Publish(r.Status.Ports); err != nil {
		return err
	}
	c.removed = forwarding{nw: t.nw, link: t.ep.Device.Host, fs: old.Forwards}
	if next < 0 {
		c.Released, c.Status.Ports = r.Status.Ports, nil
		return nil
	}
	e := c.Status.Endpoints[next]
	to := plan.Endpoint{Status: e}
	c.Status.Ports = nil
	for _, p := range r.Status.Ports {
		if err := to.Publish([]state.Port{p}); err != nil {
			c.Warnings = append(c.Warnings, err.Error())
			c.Released = append(c.Released, p)
			continue
		}
		c.Status.Ports = append(c.Status.Ports, p)
		if err := c.widen(p, t.ep.Status, e); err != nil {
			return err
		}
	}
	c.added = forwarding{nw: c.j.joints[1].nw, link: e.HostLink, fs: to.Forwards}
	return nil
}

// widen reserves a port for a family that only the next endpoint has.
func (c *EndpointChange) widen(p state.Port, from, to state.EndpointStatus) error {
	if p.HostIP != "" {
		return nil
	}
	for _, f := range []struct {
		more bool
		host string
	}{{from.IP == "" && to.IP != "", "0.0.0.0"}, {from.IP6 == "" && to.IP6 != "", "::"}} {
		if !f.more {
			continue
		}
		extra := p
		extra.HostIP = f.host
		_, files, err := c.m.reserve([]state.Port{extra}, families{true, true})
		if err != nil {
			return err
		}
		c.Fresh, c.Reserved = append(c.Fresh, extra), append(c.Reserved, files...)
	}
	return nil
}

// record works out what the end of the container has to take down. The entries of
// an endpoint that goes stay in the list: nobody else's can have their names.
func (c *EndpointChange) record(r ChangeRequest) error {
	fw, err := c.m.applier()
	if err != nil {
		return err
	}
	var managed []string
	td := r.Teardown
	td.Files = slices.Clone(td.Files)
	eps := c.Status.Endpoints
	if c.leaves {
		eps = r.Status.Endpoints
	}
	for _, e := range eps {
		entries, err := c.m.entries(c.id, e)
		if err != nil {
			return err
		}
		record, err := c.m.LoadNetwork(e.Network)
		if err != nil {
			return err
		}
		if plan.Managed(record) {
			managed = append(managed, entries...)
			continue
		}
		for _, f := range entries {
			if !slices.Contains(td.Files, f) {
				td.Files = append(td.Files, f)
			}
		}
	}
	left := c.added.fs
	if len(c.removed.fs)+len(c.added.fs) == 0 {
		if left, err = c.unchanged(r); err != nil {
			return err
		}
	}
	return c.teardowns(fw, td, left, managed)
}

// unchanged are the forwards of ports that stay where they are.
func (c *EndpointChange) unchanged(r ChangeRequest) ([]firewall.Forward, error) {
	i, err := c.m.publisher(r.Status.Endpoints)
	if err != nil || i < 0 {
		return nil, err
	}
	e := plan.Endpoint{Status: r.Status.Endpoints[i]}
	err = e.Publish(r.Status.Ports)
	return e.Forwards, err
}

// Apply makes the change in the kernel. On error it is as before.
func (c *EndpointChange) Apply() error {
	c.applied = true
	if err := c.apply(); err != nil {
		return errors.Join(err, c.Revert())
	}
	return nil
}

func (c *EndpointChange) apply() error {
	if !c.leaves {
		if err := c.j.make(); err != nil {
			return err
		}
		c.Status.Endpoints[len(c.Status.Endpoints)-1] = c.j.joints[0].ep.Status
		if err := c.entry.Publish(); err != nil {
			return err
		}
		c.j.back.push(c.entry.Withdraw)
		return c.drop()
	}
	if err := c.entry.Withdraw(); err != nil {
		return err
	}
	if err := c.swap(c.removed, c.added); err != nil {
		return err
	}
	if err := c.j.unmake(c.j.joints[0].ep.Status); err != nil {
		return err
	}
	return c.defaults(c.after)
}

// drop removes the default routes that others have taken the place of; those with
// the same metric are gone.
func (c *EndpointChange) drop() error {
	for dev, routes := range c.before {
		gone := slices.DeleteFunc(slices.Clone(routes), func(r plan.Route) bool { return slices.Contains(c.after[dev], r) })
		if err := c.j.ns.Conn().Withdraw(dev, gone); err != nil {
			return err
		}
	}
	return nil
}

// defaults sets the default routes of the devices that are there.
func (c *EndpointChange) defaults(by map[string][]plan.Route) (err error) {
	for dev, routes := range by {
		if !c.leaves && dev == c.j.joints[0].ep.Device.Name {
			continue
		}
		if len(routes) > 0 {
			err = errors.Join(err, c.j.ns.Conn().Defaults(dev, routes))
		}
	}
	return err
}

// Revert puts back in the kernel what was there before Apply.
func (c *EndpointChange) Revert() error {
	if !c.leaves {
		err := c.j.back.run(nil)
		c.j.back = nil
		return errors.Join(err, c.defaults(c.before))
	}
	t := c.j.joints[0]
	t.ep.Forwards = nil
	remake := errors.Join(c.j.unmake(t.ep.Status), c.j.make(), c.entry.Publish())
	if len(c.added.fs) > 0 {
		remake = errors.Join(remake, c.added.nw.fw.Remove(c.added.fs))
	}
	if len(c.removed.fs) > 0 {
		remake = errors.Join(remake, c.removed.nw.fw.Remove(c.removed.fs), c.add(c.removed), c.flush())
	}
	return remake
}

// Release gives the addresses of the endpoint that was taken away back.
func (c *EndpointChange) Release() error {
	if !c.leaves {
		return nil
	}
	return c.m.release(c.id, c.j.joints[0].ep.Status)
}

func (m *Manager) release(id string, e state.EndpointStatus) error {
	ip, ip6, err := plan.AddressesOf(e)
	pool := m.leases(e.Network)
	errs := []error{err}
	if ip.IsValid() {
		errs = append(errs, pool.Release(id, ip))
	}
	if ip6.IsValid() {
		errs = append(errs, pool.Release(id, ip6))
	}
	return errors.Join(append(errs, pool.Leave(id))...)
}

// Withdraw takes away what the change has made: the container has ended.
func (c *EndpointChange) Withdraw() error {
	err := errors.Join(c.withdraw(), c.Release())
	if !c.leaves {
		err = errors.Join(err, c.j.back.run(nil))
		c.j.back = nil
	}
	return err
}

// Close lets go of what the change holds, the reserved ports among it, and of the
// addresses where it was not made.
func (c *EndpointChange) Close() {
	c.letGo()
	if c.j != nil {
		if !c.applied && !c.leaves {
			_ = c.j.back.run(nil) // an address that stays taken is the container's
		}
		c.j.close()
	}
}
