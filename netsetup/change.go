package netsetup

import (
	"errors"
	"os"
	"slices"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
)

// Change is a change of the network of a container that runs, ready to be made.
// Its caller records During where the end of the container finds it, calls Apply,
// and records After; or, if a step fails, Revert and what was recorded before. So
// the container's end takes down what there may be, whatever becomes of the caller
// in between.
type Change struct {
	// Reserved are sockets that keep the new host ports; who records During has to
	// hold them from then on.
	Reserved []*os.File
	// Resolver are the sockets of a resolver that the container gets with the change,
	// see Result; who records After answers there.
	Resolver []*os.File
	// Fresh are the new ports that Reserved keeps.
	Fresh []state.Port
	// Released are the host ports that nobody needs to keep after Apply.
	Released []state.Port
	// Status is the container's network with the change.
	Status state.NetworkStatus
	// During and After are the container's teardown before and after Apply.
	During, After state.Teardown

	m    *Manager
	id   string
	conn *link.Conn
	// added and removed are published ports, each at one endpoint.
	added, removed forwarding
}

// Plan is the change itself, for callers that handle all kinds of changes alike.
func (c *Change) Plan() *Change { return c }

// forwarding is what is published at one endpoint.
type forwarding struct {
	nw   *network
	link string // the endpoint's on the host
	fs   []firewall.Forward
}

// publisher is the endpoint of a running container at which ports are published:
// the first on a bridge; -1 without one.
func (m *Manager) publisher(eps []state.EndpointStatus) (int, error) {
	for i, e := range eps {
		if e.Network == state.ModePasta {
			return -1, nil
		}
		r, err := m.LoadNetwork(e.Network)
		if err != nil {
			return -1, err
		}
		if plan.Managed(r) {
			return i, nil
		}
	}
	return -1, nil
}

// teardowns works out what the container's end has to take down. left are the
// forwards that there are in the end, and entries the files of the addresses that
// forwards may lead to.
func (c *Change) teardowns(fw applier, td state.Teardown, left []firewall.Forward, entries []string) error {
	added, err := fw.Undo(c.added.fs)
	if err != nil {
		return err
	}
	after, err := fw.Undo(left)
	if err != nil {
		return err
	}
	c.During, c.After = td, td
	// What is not there yet, or no more, is no error to take down.
	c.During.Netlink = append(slices.Clone(td.Netlink), added...)
	c.After.Netlink = after
	// Forwards without batches are those that only skiff can take away.
	before := len(left) + len(c.removed.fs) - len(c.added.fs)
	during := before > 0 && len(td.Netlink) == 0 || len(c.added.fs) > 0 && len(added) == 0
	for _, t := range []struct {
		to    *state.Teardown
		rules bool
	}{{&c.During, during}, {&c.After, len(left) > 0 && len(after) == 0}} {
		// As for a start: skiff gives the addresses back once the rules are gone, where
		// only skiff can take them away.
		rules := t.rules
		t.to.Engine = rules || len(td.Hooks) > 0
		t.to.Files = slices.DeleteFunc(slices.Clone(td.Files), func(f string) bool { return slices.Contains(entries, f) })
		if !rules {
			t.to.Files = append(t.to.Files, entries...)
		}
	}
	return nil
}

// entries are the files of an endpoint's addresses.
func (m *Manager) entries(id string, e state.EndpointStatus) (files []string, err error) {
	ip, ip6, err := plan.AddressesOf(e)
	pool := m.leases(e.Network)
	if ip.IsValid() {
		files = append(files, pool.Entry(id, ip))
	}
	if ip6.IsValid() {
		files = append(files, pool.Entry(id, ip6))
	}
	if files == nil {
		files = append(files, pool.Member(id))
	}
	return files, err
}

// swap takes forwards away and adds others.
func (c *Change) swap(from, to forwarding) error {
	if len(from.fs) > 0 {
		if err := from.nw.fw.Remove(from.fs); err != nil {
			return err
		}
	}
	if err := c.add(to); err != nil {
		return err
	}
	return c.flush()
}

// flush ends the UDP flows of the ports whose meaning changes.
func (c *Change) flush() error {
	return c.conn.FlushUDP(udpPorts(append(slices.Clone(c.added.fs), c.removed.fs...)))
}

func (c *Change) add(f forwarding) error {
	if len(f.fs) == 0 {
		return nil
	}
	if sysctl("net/bridge/bridge-nf-call-iptables") == "1" {
		if err := c.conn.Hairpin(f.link); err != nil {
			return err
		}
	}
	remade, err := f.nw.fw.Add(f.nw.firewall(), f.fs)
	if err == nil && remade && f.nw.existed {
		err = c.m.reassert(f.nw.fw, c.id)
	}
	return err
}

// withdraw takes every forward of the change away: the container has ended.
func (c *Change) withdraw() (err error) {
	for _, f := range []forwarding{c.added, c.removed} {
		if len(f.fs) > 0 {
			err = errors.Join(err, f.nw.fw.Remove(f.fs))
		}
	}
	return err
}

// letGo closes the sockets.
func (c *Change) letGo() {
	closeFiles(c.Reserved)
	closeFiles(c.Resolver)
	c.Reserved, c.Resolver = nil, nil
}
