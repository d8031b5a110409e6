package netsetup

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/netsetup/plan"
	"skiff/state"
)

// PortChange is a change of the published ports of a container that runs, ready
// to be made. Its caller records During where the end of the container finds it,
// calls Apply, and records After; or, if a step fails, Revert and what was
// recorded before. So the container's end takes down what there may be, whatever
// becomes of the caller in between.
type PortChange struct {
	// Reserved are sockets that keep the new host ports; who records During has to
	// hold them from then on.
	Reserved []*os.File
	// Fresh are the new ports that Reserved keeps.
	Fresh []state.Port
	// Released are the host ports that nobody needs to keep after Apply.
	Released []state.Port
	// Status is the container's network with the change.
	Status state.NetworkStatus
	// During and After are the container's teardown before and after Apply.
	During, After state.Teardown

	conn     *link.Conn
	nw       *network
	link     string
	added    []firewall.Forward
	removed  []firewall.Forward
	remaking func() error
}

// ChangePorts prepares to publish the ports of add and to take back those of
// remove, which must be among st.Ports. Nothing is changed but that the new host
// ports are reserved. The caller closes the change when it is made or reverted.
//
// Preconditions:
//   - the container runs, st and td are what is recorded of it, and its lock is
//     held
func (m *Manager) ChangePorts(id string, st state.NetworkStatus, td state.Teardown, add, remove []state.Port) (_ *PortChange, err error) {
	if len(st.Endpoints) == 0 {
		return nil, errors.New("cannot change the published ports of a running container whose network is not a bridge")
	}
	for _, p := range add {
		if err := validPort(p); err != nil {
			return nil, err
		}
	}
	c := &PortChange{Status: st, link: st.Endpoints[0].HostLink}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.conn, err = link.Open(); err != nil {
		return nil, err
	}
	if c.nw, err = m.attach(c.conn, st.Endpoints[0].Network); err != nil {
		return nil, err
	}
	c.remaking = func() error { return m.reassert(c.nw.fw, id) }
	if err := c.settle(add, remove); err != nil {
		return nil, err
	}
	return c, c.record(id, td)
}

// settle chooses and reserves host ports and works the forwards out.
func (c *PortChange) settle(add, remove []state.Port) (err error) {
	e := c.Status.Endpoints[0]
	ip, err := netip.ParseAddr(e.IP)
	if err != nil {
		return fmt.Errorf("status holds the address %q: %w", e.IP, state.ErrInvalid)
	}
	ip6, _ := netip.ParseAddr(e.IP6)
	ports := slices.DeleteFunc(slices.Clone(c.Status.Ports), func(p state.Port) bool { return slices.Contains(remove, p) })
	c.Released = slices.Clone(remove)
	for _, p := range add {
		// A host port that only gets another target stays reserved throughout.
		again := slices.IndexFunc(c.Released, func(r state.Port) bool { return p.HostPort != 0 && p.HostPortEnd == 0 && sameHost(r, p) })
		if again >= 0 {
			c.Released = slices.Delete(c.Released, again, again+1)
		} else {
			settled, files, err := reserve([]state.Port{p}, ip6.IsValid())
			if err != nil {
				return err
			}
			p = settled[0]
			c.Fresh, c.Reserved = append(c.Fresh, p), append(c.Reserved, files...)
		}
		ports = append(ports, p)
		if err := forwards(&c.added, p, ip, ip6); err != nil {
			return err
		}
	}
	for _, p := range remove {
		if err := forwards(&c.removed, p, ip, ip6); err != nil {
			return err
		}
	}
	c.Status.Ports = ports
	return nil
}

func sameHost(a, b state.Port) bool {
	return a.HostIP == b.HostIP && a.HostPort == b.HostPort && a.Protocol == b.Protocol
}

func forwards(to *[]firewall.Forward, p state.Port, ip, ip6 netip.Addr) error {
	fs, err := plan.Forwards(p, ip, ip6)
	*to = append(*to, fs...)
	return err
}

// record works out what the container's end has to take down.
func (c *PortChange) record(id string, td state.Teardown) error {
	e := c.Status.Endpoints[0]
	ip, err := netip.ParseAddr(e.IP)
	if err != nil {
		return err
	}
	ip6, _ := netip.ParseAddr(e.IP6)
	var all []firewall.Forward
	for _, p := range c.Status.Ports {
		if err := forwards(&all, p, ip, ip6); err != nil {
			return err
		}
	}
	added, err := c.nw.fw.Undo(c.added)
	if err != nil {
		return err
	}
	after, err := c.nw.fw.Undo(all)
	if err != nil {
		return err
	}
	c.During, c.After = td, td
	// What is not there yet, or no more, is no error to take down.
	c.During.Netlink = append(slices.Clone(td.Netlink), added...)
	c.After.Netlink = after
	lease := c.nw.pool.Entry(id, ip)
	for _, t := range []struct {
		to       *state.Teardown
		forwards int
		batches  int
	}{{&c.During, len(all) + len(c.removed), len(added) + len(td.Netlink)}, {&c.After, len(all), len(after)}} {
		// As for a start: skiff gives the address back once the rules are gone, where
		// only skiff can take them away.
		t.to.Engine = t.forwards > 0 && t.batches == 0
		t.to.Files = slices.DeleteFunc(slices.Clone(td.Files), func(f string) bool { return f == lease })
		if !t.to.Engine {
			t.to.Files = append(t.to.Files, lease)
		}
	}
	return nil
}

// Apply makes the change in the kernel. On error it is as before.
func (c *PortChange) Apply() error {
	if err := c.nw.fw.Remove(c.removed); err != nil {
		return errors.Join(err, c.Revert())
	}
	if err := c.add(c.added); err != nil {
		return errors.Join(err, c.Revert())
	}
	if err := c.flush(); err != nil {
		return errors.Join(err, c.Revert())
	}
	return nil
}

// flush ends the UDP flows of the ports whose meaning changes.
func (c *PortChange) flush() error {
	return c.conn.FlushUDP(udpPorts(append(slices.Clone(c.added), c.removed...)))
}

func (c *PortChange) add(fs []firewall.Forward) error {
	if len(fs) == 0 {
		return nil
	}
	if sysctl("net/bridge/bridge-nf-call-iptables") == "1" {
		if err := c.conn.Hairpin(c.link); err != nil {
			return err
		}
	}
	s := c.nw.subnets
	remade, err := c.nw.fw.Add(plan.FirewallOf(c.nw.record.Bridge, s, c.nw.ipv6), fs)
	if err == nil && remade && c.nw.existed {
		err = c.remaking()
	}
	return err
}

// Revert puts back in the kernel what was there before Apply.
func (c *PortChange) Revert() error {
	// Of the forwards to remove some may be there still: all of them are made anew.
	return errors.Join(c.nw.fw.Remove(c.added), c.nw.fw.Remove(c.removed), c.add(c.removed), c.flush())
}

// Withdraw takes every forward of the change away: the container has ended.
func (c *PortChange) Withdraw() error {
	return errors.Join(c.nw.fw.Remove(c.added), c.nw.fw.Remove(c.removed))
}

// Close lets go of what the change holds, the reserved ports among it.
func (c *PortChange) Close() {
	for _, f := range c.Reserved {
		f.Close()
	}
	c.Reserved = nil
	if c.nw != nil {
		c.nw.lock.Release()
	}
	if c.conn != nil {
		c.conn.Close()
	}
}
