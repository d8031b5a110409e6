package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
			made, err := n.change(func(have entries) entries { return have.with(nw) })
			if err != nil {
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
		if err := inPieces(by[name], func(es []nftables.SetElement) error { return do(name, es) }); err != nil {
			return err
		}
	}
	return nil
}

// maxUndo bounds the forwards whose removal is recorded. Beyond it the record would
// grow large, and skiff can take them away by their target.
const maxUndo = 200

// Undo gives the transactions that take the forwards away, for a process that
// cannot make them itself. They are valid only while the ports are reserved. There
// are none for more forwards than maxUndo.
func (n *NFT) Undo(fs []Forward) (batches [][]byte, err error) {
	if len(fs) > maxUndo {
		return nil, nil
	}
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
	return n.withdraw(fs, func(have, mine nftables.SetElement) (bool, error) { return bytes.Equal(have.Val, mine.Val), nil })
}

// withdraw takes away what is at the forwards' host ports, as far as which says so.
func (n *NFT) withdraw(fs []Forward, which func(have, mine nftables.SetElement) (bool, error)) error {
	mine := map[string]map[string]nftables.SetElement{}
	for _, f := range fs {
		set, e := f.element()
		if mine[set] == nil {
			mine[set] = map[string]nftables.SetElement{}
		}
		mine[set][string(e.Key)] = e
	}
	var errs []error
	for set, es := range mine {
		have, err := n.list(set)
		if err != nil {
			return err
		}
		var gone []nftables.SetElement
		for _, h := range have {
			e, ok := es[string(h.Key)]
			if !ok {
				continue
			}
			if ok, err = which(h, e); err != nil {
				return err
			}
			if ok {
				gone = append(gone, h)
			}
		}
		errs = append(errs, n.drop(set, gone))
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
	stale := map[netip.Addr]bool{}
	return n.withdraw(fs, func(have, mine nftables.SetElement) (bool, error) {
		to, ok := netip.AddrFromSlice(have.Val[:max(0, len(have.Val)-4)])
		if _, asked := stale[to]; !asked {
			stale[to] = !ok || n.Stale == nil || n.Stale(to)
		}
		if !stale[to] {
			i := slices.IndexFunc(fs, func(f Forward) bool { _, e := f.element(); return bytes.Equal(e.Key, mine.Key) })
			return false, fmt.Errorf("cannot publish port %d/%s: %w", fs[i].Host.Port(), fs[i].Proto, ErrPortInUse)
		}
		return true, nil
	})
}

// drop deletes elements, which may be gone already.
func (n *NFT) drop(set string, es []nftables.SetElement) error {
	return inPieces(es, func(es []nftables.SetElement) error {
		batch, err := n.deletion(set, es)
		if err != nil {
			return err
		}
		if err = Send(batch); errors.Is(err, unix.ENOENT) && len(es) > 1 {
			// One of them is gone, and so none of them went.
			for i := range es {
				if err := n.drop(set, es[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot remove a published port: %w", err)
		}
		return nil
	})
}

// Forget takes away every forward to an address of the list, whoever made it.
func (n *NFT) Forget(addrs []netip.Addr) error {
	var errs []error
	for _, name := range []string{mapAny4, mapOn4, mapAny6, mapOn6} {
		es, err := n.list(name)
		errs = append(errs, err)
		es = slices.DeleteFunc(es, func(e nftables.SetElement) bool {
			to, ok := netip.AddrFromSlice(e.Val[:max(0, len(e.Val)-4)]) // and a port, in four bytes
			return !ok || !slices.Contains(addrs, to)
		})
		errs = append(errs, n.drop(name, es))
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

func (ch chain) chain(t *nftables.Table) *nftables.Chain {
	c := &nftables.Chain{Name: ch.Name, Table: t}
	hooks := [...]struct {
		name string
		hook *nftables.ChainHook
	}{{"prerouting", nftables.ChainHookPrerouting}, {"output", nftables.ChainHookOutput},
		{"postrouting", nftables.ChainHookPostrouting}, {"input", nftables.ChainHookInput}, {"forward", nftables.ChainHookForward}}
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

// AddNetwork makes the network's entries those that there are of it.
func (n *NFT) AddNetwork(nw Network) error {
	if _, err := n.change(func(have entries) entries { return have.with(nw) }); err != nil {
		return err
	}
	return passForeign([]Network{nw})
}

// RemoveNetwork takes the network's entries away, and the table with the last
// network. What is missing is no error.
func (n *NFT) RemoveNetwork(nw Network) error {
	_, err := n.change(func(have entries) entries {
		if have == nil {
			return nil
		}
		left := have.without(nw.Bridge)
		if len(left[setBridges]) == 0 {
			return nil
		}
		return left
	})
	return errors.Join(err, unpassForeign(nw))
}

// Restore makes the rules whole and complete after somebody took some away: the
// networks have their entries and the forwards are there. What else is in the
// table stays. It changes nothing where nothing is missing.
func (n *NFT) Restore(nws []Network, fs []Forward) error {
	_, err := n.change(func(have entries) entries { return have.with(nws...).publishing(fs) })
	return errors.Join(err, passForeign(nws))
}
