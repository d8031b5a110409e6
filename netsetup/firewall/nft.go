package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// NFT keeps the rules in a table of its own through nf_tables.
type NFT struct {
	// Table is the table's name, see TableName.
	Table string
	// Stale reports whether an address belongs to no running container, so that
	// what is published to it may be replaced. nil means none does.
	Stale func(netip.Addr) bool
}

func (n *NFT) table() *nftables.Table {
	return &nftables.Table{Name: n.Table, Family: nftables.TableFamilyINet}
}

// Add publishes the forwards of one container in one transaction, making the
// table and the network's entries where they are missing. remade says that the
// table was not there, so that whatever else was in it is missing too.
//
// Postconditions: on error nothing was added.
func (n *NFT) Add(nw Network, fs []Forward) (remade bool, err error) {
	batch, err := n.elements(nw, fs)
	if err != nil {
		return false, err
	}
	for range 4 {
		switch err = Send(batch); {
		case err == nil:
			return remade, nil
		case errors.Is(err, unix.ENOENT):
			// The table is not there: the first container, or somebody flushed the
			// rules. Whoever else makes it at the same time makes the same.
			made, err := n.base()
			if err != nil {
				return false, err
			}
			if err := n.network(nw); err != nil {
				return false, err
			}
			remade = remade || made
		case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY):
			if err := n.clear(fs); err != nil {
				return false, err
			}
		default:
			return false, fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	return false, fmt.Errorf("cannot set up the firewall: %w", err)
}

// elements is the transaction of a container's start. It names the network's
// device even without any forward, which costs nothing and fails with ENOENT
// where the table is gone.
func (n *NFT) elements(nw Network, fs []Forward) ([]byte, error) {
	t := n.table()
	probe, err := record(false, func(c *nftables.Conn) error {
		return c.SetAddElements(&nftables.Set{Table: t, Name: setBridges}, []nftables.SetElement{{Key: deviceName(nw.Bridge)}})
	})
	if err != nil || len(fs) == 0 {
		return probe, err
	}
	return record(true, func(c *nftables.Conn) error {
		return eachSet(fs, func(name string, es []nftables.SetElement) error {
			return c.SetAddElements(&nftables.Set{Table: t, Name: name, IsMap: true}, es)
		})
	})
}

// eachSet calls do with the forwards' elements, by map, in pieces that fit into
// a message.
func eachSet(fs []Forward, do func(string, []nftables.SetElement) error) error {
	by := map[string][]nftables.SetElement{}
	for _, f := range fs {
		name, e := f.element()
		by[name] = append(by[name], e)
	}
	for _, name := range []string{mapAny4, mapOn4, mapAny6, mapOn6} {
		for es := by[name]; len(es) > 0; {
			k := min(len(es), maxElements)
			if err := do(name, es[:k]); err != nil {
				return err
			}
			es = es[k:]
		}
	}
	return nil
}

// Undo gives the transactions that take the forwards away, for a process that
// cannot make them itself. They are valid only while the ports are reserved.
func (n *NFT) Undo(fs []Forward) (batches [][]byte, err error) {
	err = eachSet(fs, func(name string, es []nftables.SetElement) error {
		b, err := n.deletion(name, es)
		batches = append(batches, b)
		return err
	})
	return batches, err
}

// Remove takes single forwards of a container away. Those that are gone already
// are no error, and those of others at the same host port stay.
func (n *NFT) Remove(fs []Forward) error {
	have := map[string][]nftables.SetElement{}
	var errs []error
	for _, f := range fs {
		name, e := f.element()
		if _, ok := have[name]; !ok {
			es, err := n.list(name)
			if err != nil {
				return err
			}
			have[name] = es
		}
		for _, h := range have[name] {
			if bytes.Equal(h.Key, e.Key) && bytes.Equal(h.Val, e.Val) {
				errs = append(errs, n.drop(name, h))
			}
		}
	}
	return errors.Join(errs...)
}

func (n *NFT) deletion(set string, es []nftables.SetElement) ([]byte, error) {
	keys := make([]nftables.SetElement, len(es))
	for i, e := range es {
		keys[i].Key = e.Key
	}
	return record(false, func(c *nftables.Conn) error {
		return c.SetDeleteElements(&nftables.Set{Table: n.table(), Name: set}, keys)
	})
}

// clear takes away what dead containers have at the forwards' host ports, or
// fails with ErrPortInUse where a running one has it.
func (n *NFT) clear(fs []Forward) error {
	have := map[string][]nftables.SetElement{}
	for _, f := range fs {
		name, e := f.element()
		if _, ok := have[name]; !ok {
			es, err := n.list(name)
			if err != nil {
				return err
			}
			have[name] = es
		}
		for _, h := range have[name] {
			if !bytes.Equal(h.Key, e.Key) {
				continue
			}
			to, ok := netip.AddrFromSlice(h.Val[:max(0, len(h.Val)-4)])
			if ok && n.Stale != nil && !n.Stale(to) {
				return fmt.Errorf("cannot publish port %d/%s: %w", f.Host.Port(), f.Proto, ErrPortInUse)
			}
			if err := n.drop(name, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop deletes one element, which may be gone already.
func (n *NFT) drop(set string, e nftables.SetElement) error {
	batch, err := n.deletion(set, []nftables.SetElement{e})
	if err != nil {
		return err
	}
	if err := Send(batch); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot remove a published port: %w", err)
	}
	return nil
}

// Forget takes away every forward to an address of the list, whoever made it.
func (n *NFT) Forget(addrs []netip.Addr) error {
	var errs []error
	for _, name := range []string{mapAny4, mapOn4, mapAny6, mapOn6} {
		es, err := n.list(name)
		errs = append(errs, err)
		for _, e := range es {
			for _, a := range addrs {
				if b := a.AsSlice(); len(e.Val) != len(b)+4 || !bytes.HasPrefix(e.Val, b) {
					continue
				}
				errs = append(errs, n.drop(name, e))
			}
		}
	}
	return errors.Join(errs...)
}

// list gives a map's elements; none if the table is not there.
func (n *NFT) list(set string) ([]nftables.SetElement, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	es, err := c.GetSetElements(&nftables.Set{Table: n.table(), Name: set})
	if err != nil {
		if strings.HasSuffix(err.Error(), unix.ENOENT.Error()) {
			return nil, nil // the library passes on the text only
		}
		return nil, fmt.Errorf("cannot list published ports: %w", err)
	}
	return es, nil
}

// base makes the table with all that does not depend on networks and
// containers. It reports false where the table was there.
func (n *NFT) base() (bool, error) {
	t := n.table()
	batch, err := record(false, func(c *nftables.Conn) error {
		c.CreateTable(t)
		ss, err := sets(t)
		if err != nil {
			return err
		}
		for _, s := range ss {
			if err := c.AddSet(s, nil); err != nil {
				return err
			}
		}
		for _, ch := range chains() {
			c.AddChain(ch.chain(t))
		}
		for _, r := range rules() {
			es, err := r.exprs(t)
			if err != nil {
				return err
			}
			c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: r.Chain, Table: t}, Exprs: es})
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	switch err := Send(batch); {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EEXIST):
		return false, nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT),
		errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT):
		return false, fmt.Errorf("nftables: %w (%v)", ErrUnsupported, err)
	default:
		return false, fmt.Errorf("cannot make the firewall table: %w", err)
	}
}

func (ch chain) chain(t *nftables.Table) *nftables.Chain {
	c := &nftables.Chain{Name: ch.Name, Table: t}
	hooks := [...]struct {
		name string
		hook *nftables.ChainHook
	}{{"prerouting", nftables.ChainHookPrerouting}, {"output", nftables.ChainHookOutput},
		{"postrouting", nftables.ChainHookPostrouting}, {"forward", nftables.ChainHookForward}}
	for _, h := range hooks {
		if h.name == ch.Hook {
			c.Hooknum, c.Type = h.hook, nftables.ChainType(ch.Type)
			c.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(ch.Priority))
			accept := nftables.ChainPolicyAccept
			c.Policy = &accept
		}
	}
	return c
}

// AddNetwork adds the network's entries; those that are there stay.
func (n *NFT) AddNetwork(nw Network) error {
	if _, err := n.base(); err != nil {
		return err
	}
	if err := n.network(nw); err != nil {
		return err
	}
	return passForeign(nw)
}

func (n *NFT) network(nw Network) error {
	return n.each(nw, func(c *nftables.Conn, s *nftables.Set, es []nftables.SetElement) error {
		return c.SetAddElements(s, es)
	}, unix.EEXIST)
}

// RemoveNetwork takes the network's entries away, and the table with the last
// network. What is missing is no error.
func (n *NFT) RemoveNetwork(nw Network) error {
	err := n.each(nw, func(c *nftables.Conn, s *nftables.Set, es []nftables.SetElement) error {
		return c.SetDeleteElements(s, es)
	}, unix.ENOENT)
	if err = errors.Join(err, unpassForeign(nw)); err != nil {
		return err
	}
	left, err := n.list(setBridges)
	if err != nil || len(left) > 0 {
		return err
	}
	batch, err := record(false, func(c *nftables.Conn) error { c.DelTable(n.table()); return nil })
	if err != nil {
		return err
	}
	if err := Send(batch); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot remove the firewall table: %w", err)
	}
	return nil
}

// each sends one transaction per set, tolerating one errno: entries of
// different sets do not depend on each other.
func (n *NFT) each(nw Network, do func(*nftables.Conn, *nftables.Set, []nftables.SetElement) error, tolerate unix.Errno) error {
	for name, es := range nw.elements() {
		batch, err := record(false, func(c *nftables.Conn) error {
			return do(c, &nftables.Set{Table: n.table(), Name: name}, es)
		})
		if err != nil {
			return err
		}
		if err := Send(batch); err != nil && !errors.Is(err, tolerate) {
			return fmt.Errorf("cannot set up the firewall for %s: %w", nw.Bridge, err)
		}
	}
	return nil
}
