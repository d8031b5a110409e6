package netsetup

import (
	"errors"
	"slices"

	"skiff/state"
	"skiff/state/names"
)

// named plans what the container is called in the network that it joins, and has its
// questions answered from then on.
func (c *EndpointChange) named(r ChangeRequest, want state.Endpoint) error {
	t := c.j.joints[0]
	if Named(t.nw.record) {
		c.entry = c.m.entry(c.id, r.Name, t.ep.Status, want.Aliases)
		t.ep.Status.Names = c.entry.Names()
		c.Status.Endpoints[len(c.Status.Endpoints)-1] = t.ep.Status
		note(&c.During, c.entry)
		note(&c.After, c.entry)
		if !r.Status.Resolver {
			var warning string
			if c.Resolver, warning = resolverSockets(r.NS); warning != "" {
				c.Warnings = append(c.Warnings, warning)
			}
			c.Status.Resolver, c.Status.Links = len(c.Resolver) > 0, r.Links
		}
	}
	return c.beyond(r.Network)
}

// unnamed plans that the container has no names in the network that it leaves.
func (c *EndpointChange) unnamed(r ChangeRequest, want state.Endpoint) error {
	if st := c.j.joints[0].ep.Status; len(st.Names) > 0 {
		c.entry = c.m.entry(c.id, r.Name, st, want.Aliases)
		forget(&c.After, c.entry)
	}
	return c.beyond(r.Network)
}

// beyond works out anew who is asked for what is no name of the networks.
func (c *EndpointChange) beyond(n state.Network) error {
	if !c.Status.Resolver {
		return nil
	}
	var records []state.NetworkRecord
	for _, e := range c.Status.Endpoints {
		r, err := c.m.LoadNetwork(e.Network)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	beyond(&c.Status, n, records)
	return nil
}

// NameChange gives a container that runs another name in its networks.
type NameChange struct {
	Change
	from, to []names.Entry
}

// ChangeName prepares to call the container by another name. Nothing is changed yet.
//
// Preconditions: the container's lock is held
func (m *Manager) ChangeName(r ChangeRequest, name string) *NameChange {
	c := &NameChange{Change: Change{m: m, id: r.ID, Status: r.Status, During: r.Teardown, After: r.Teardown}}
	c.Status.Endpoints = slices.Clone(r.Status.Endpoints)
	for i := range c.Status.Endpoints {
		e := &c.Status.Endpoints[i]
		if len(e.Names) == 0 {
			continue
		}
		aliases := wanted(r.Network, e.Network).Aliases
		from, to := m.entry(r.ID, r.Name, *e, aliases), m.entry(r.ID, name, *e, aliases)
		e.Names = to.Names()
		note(&c.During, to)
		forget(&c.After, from)
		note(&c.After, to)
		c.from, c.to = append(c.from, from), append(c.to, to)
	}
	return c
}

// Empty says that no network knows the container by its name.
func (c *NameChange) Empty() bool { return len(c.to) == 0 }

// Apply makes the change. On error it is as before.
func (c *NameChange) Apply() error {
	for i := range c.to {
		if err := c.to[i].Replace(c.from[i]); err != nil {
			return errors.Join(err, c.Revert())
		}
	}
	return nil
}

// Revert puts back what there was before Apply.
func (c *NameChange) Revert() (err error) {
	for i := range c.to {
		err = errors.Join(err, c.from[i].Replace(c.to[i]))
	}
	return err
}

// Withdraw takes away what the change has made: the container has ended.
func (c *NameChange) Withdraw() (err error) {
	for i := range c.to {
		err = errors.Join(err, c.to[i].Withdraw())
	}
	return err
}

// Close lets go of what the change holds.
func (c *NameChange) Close() { c.letGo() }
