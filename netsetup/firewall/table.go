package firewall

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// entries are what the table's sets and maps hold, by their names. nil stands for
// no table.
type entries map[string][]nftables.SetElement

// attempts bounds how often a change is tried anew because others changed the rules
// meanwhile.
const attempts = 50

// change brings the table from what it holds to what edit makes of that, in one
// transaction. A table whose rules are not all there, or are another version's, is
// made anew with all that it is to hold. remade says that it was, or was not there
// at all. edit may be called several times.
func (n *NFT) change(edit func(entries) entries) (remade bool, err error) {
	for range attempts {
		gen, err := generation()
		if err != nil {
			return remade, err
		}
		have, whole, err := n.read()
		if err != nil {
			return remade, err
		}
		want := edit(have)
		var batch []byte
		switch {
		case want == nil && have == nil:
			return remade, nil
		case want == nil:
			batch, err = record(false, func(c *nftables.Conn) error { c.DelTable(n.table()); return nil })
		case whole:
			batch, err = n.difference(have, want)
			gen = 0 // it fails where it matters that somebody else was faster
		default:
			batch, err = n.anew(have != nil, want)
		}
		if err != nil || len(batch) == 0 {
			return remade, err
		}
		err = Send(unchanged(batch, gen))
		switch {
		case err == nil:
			return remade || want != nil && !whole, nil
		case errors.Is(err, unix.ERESTART), whole && (errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOENT)):
			remade = remade || !whole
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT),
			errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT):
			return false, fmt.Errorf("nftables: %w (%v)", ErrUnsupported, err)
		default:
			return false, fmt.Errorf("cannot change the firewall's rules: %w", err)
		}
	}
	return false, errors.New("cannot change the firewall's rules: others keep changing them")
}

// read gives what the table holds, and whether all the rules are there.
func (n *NFT) read() (have entries, whole bool, err error) {
	c, err := nftables.New()
	if err != nil {
		return nil, false, fmt.Errorf("cannot reach the firewall: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, false, fmt.Errorf("nftables: %w (%v)", ErrUnsupported, err)
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == n.Table })
	if i < 0 {
		return nil, false, nil
	}
	const dormant = 1 // NFT_TABLE_F_DORMANT
	whole = tables[i].Flags&dormant == 0 && n.hasRules(c)
	have = entries{}
	ss, err := sets(n.table())
	if err != nil {
		return nil, false, err
	}
	for _, s := range ss {
		es, err := n.list(s.Name)
		if err != nil {
			return nil, false, err
		}
		have[s.Name] = es
	}
	return have, whole, nil
}

// hasRules says whether each chain has our rules, in their order; others between
// them are somebody's wish.
func (n *NFT) hasRules(c *nftables.Conn) bool {
	want := marks()
	for _, ch := range chains() {
		have, err := c.GetRules(n.table(), &nftables.Chain{Name: ch.Name})
		if err != nil {
			return false
		}
		for _, r := range have {
			if left := want[ch.Name]; len(left) > 0 && bytes.Equal(r.UserData, left[0]) {
				want[ch.Name] = left[1:]
			}
		}
	}
	for _, left := range want {
		if len(left) > 0 {
			return false
		}
	}
	return true
}

// marks are what the rules carry, by chain: where it is in the table, and a digest of
// all of it.
func marks() map[string][][]byte {
	all := sha256.New()
	for _, ch := range chains() {
		fmt.Fprintln(all, ch)
	}
	for _, r := range rules() {
		fmt.Fprintln(all, r.Chain, r.text())
	}
	digest := all.Sum(nil)[:4]
	out := map[string][][]byte{}
	for i, r := range rules() {
		// A type that nft(8) does not know, and so does not show (libnftnl/udata.h).
		out[r.Chain] = append(out[r.Chain], append([]byte{200, 5, byte(i)}, digest...))
	}
	return out
}

// anew makes the table with all that is to be in it.
func (n *NFT) anew(replace bool, want entries) ([]byte, error) {
	t := n.table()
	return record(false, func(c *nftables.Conn) error {
		if replace {
			c.DelTable(t)
		}
		c.CreateTable(t)
		ss, err := sets(t)
		if err != nil {
			return err
		}
		for _, s := range ss {
			if err := c.AddSet(s, nil); err != nil {
				return err
			}
			if err := inPieces(want[s.Name], func(es []nftables.SetElement) error { return c.SetAddElements(s, es) }); err != nil {
				return err
			}
		}
		for _, ch := range chains() {
			c.AddChain(ch.chain(t))
		}
		mark := marks()
		for _, r := range rules() {
			es, err := r.exprs(t)
			if err != nil {
				return err
			}
			c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: r.Chain, Table: t}, Exprs: es, UserData: mark[r.Chain][0]})
			mark[r.Chain] = mark[r.Chain][1:]
		}
		return nil
	})
}

// difference takes away what is not wanted and adds what is missing.
func (n *NFT) difference(have, want entries) ([]byte, error) {
	ss, err := sets(n.table())
	if err != nil {
		return nil, err
	}
	changed := false
	batch, err := record(false, func(c *nftables.Conn) error {
		for _, s := range ss {
			gone, fresh := missing(have[s.Name], want[s.Name]), missing(want[s.Name], have[s.Name])
			changed = changed || len(gone)+len(fresh) > 0
			err := errors.Join(
				inPieces(gone, func(es []nftables.SetElement) error { return c.SetDeleteElements(s, bare(es)) }),
				inPieces(fresh, func(es []nftables.SetElement) error { return c.SetAddElements(s, es) }))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !changed {
		return nil, nil
	}
	return batch, err
}

// identity is all of an element that counts.
func identity(e nftables.SetElement) string {
	return fmt.Sprintf("%x %v %x %s", e.Key, e.IntervalEnd, e.Val, e.Comment)
}

// missing are the elements of all that others lack.
func missing(all, others []nftables.SetElement) (out []nftables.SetElement) {
	have := make(map[string]bool, len(others))
	for _, e := range others {
		have[identity(e)] = true
	}
	for _, e := range all {
		if !have[identity(e)] {
			out = append(out, e)
		}
	}
	return out
}

// bare are the elements' keys, which are enough to delete them.
func bare(es []nftables.SetElement) []nftables.SetElement {
	out := make([]nftables.SetElement, len(es))
	for i, e := range es {
		out[i] = nftables.SetElement{Key: e.Key, IntervalEnd: e.IntervalEnd}
	}
	return out
}

// inPieces calls do with parts of the elements that fit into a message.
func inPieces(es []nftables.SetElement, do func([]nftables.SetElement) error) error {
	for len(es) > 0 {
		k := min(len(es), maxElements)
		if err := do(es[:k]); err != nil {
			return err
		}
		es = es[k:]
	}
	return nil
}

// without is the entries but those of one network's.
func (en entries) without(bridge string) entries {
	out := entries{}
	name := deviceName(bridge)
	for set, es := range en {
		switch set {
		case setBridges, setWithin, setInternal, setOpen:
			out[set] = slices.DeleteFunc(slices.Clone(es), func(e nftables.SetElement) bool { return bytes.HasPrefix(e.Key, name) })
		case setSubnets4, setSubnets6, setOutward4, setOutward6:
			out[set] = spanned(slices.DeleteFunc(spans(es), func(s span) bool { return s.owner == bridge }))
		default:
			out[set] = es
		}
	}
	return out
}

// A span is an interval of addresses: from the first to the one before end.
type span struct {
	first, end []byte
	owner      string // a bridge; empty with tables of older versions
}

// spans pairs an interval set's elements, each of which is one end.
func spans(es []nftables.SetElement) (out []span) {
	es = slices.SortedFunc(slices.Values(es), func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	for _, e := range es {
		if e.IntervalEnd {
			continue
		}
		after := slices.IndexFunc(es, func(o nftables.SetElement) bool { return o.IntervalEnd && bytes.Compare(o.Key, e.Key) > 0 })
		if after >= 0 {
			out = append(out, span{e.Key, es[after].Key, e.Comment})
		}
	}
	return out
}

func spanned(ss []span) (out []nftables.SetElement) {
	for _, s := range ss {
		out = append(out, nftables.SetElement{Key: s.first, Comment: s.owner}, nftables.SetElement{Key: s.end, IntervalEnd: true})
	}
	return out
}

// with is the entries with those of the networks in place of what they have.
func (en entries) with(nws ...Network) entries {
	out := entries{}
	maps.Copy(out, en)
	for _, nw := range nws {
		out = out.without(nw.Bridge)
		for set, es := range nw.elements() {
			if len(es) == 2 && es[1].IntervalEnd { // what overlaps is of a network that is gone
				out[set] = spanned(slices.DeleteFunc(spans(out[set]), func(s span) bool {
					return bytes.Compare(s.first, es[1].Key) < 0 && bytes.Compare(es[0].Key, s.end) < 0
				}))
			}
			out[set] = append(out[set], es...)
		}
	}
	return out
}

// publishing is the entries with the forwards in place of others at their ports.
func (en entries) publishing(fs []Forward) entries {
	out := entries{}
	maps.Copy(out, en)
	fresh := map[string]map[string]nftables.SetElement{}
	for _, f := range fs {
		set, e := f.element()
		if fresh[set] == nil {
			fresh[set] = map[string]nftables.SetElement{}
		}
		fresh[set][string(e.Key)] = e
	}
	for set, es := range fresh {
		kept := slices.DeleteFunc(slices.Clone(out[set]), func(e nftables.SetElement) bool { _, ok := es[string(e.Key)]; return ok })
		for _, key := range slices.Sorted(maps.Keys(es)) {
			kept = append(kept, es[key])
		}
		out[set] = kept
	}
	return out
}

// generation is the number of the ruleset's present state.
func generation() (uint32, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, fmt.Errorf("cannot reach the firewall: %w", err)
	}
	defer c.Close()
	answer, err := c.Execute(netlink.Message{Data: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request}})
	if err != nil {
		return 0, fmt.Errorf("nftables: %w (%v)", ErrUnsupported, err)
	}
	for _, m := range answer {
		if len(m.Data) < 4 {
			continue
		}
		d, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return 0, err
		}
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			if d.Type() == unix.NFTA_GEN_ID {
				return d.Uint32(), nil
			}
		}
	}
	return 0, errors.New("the firewall does not say in which state it is")
}

// unchanged is the transaction with the condition that the ruleset is still in the
// state gen, or else it fails with ERESTART. 0 is no condition.
func unchanged(batch []byte, gen uint32) []byte {
	const begin = 20 // a header and four bytes of nfgenmsg
	if gen == 0 || len(batch) < begin {
		return batch
	}
	out := slices.Clone(batch[:begin])
	binary.NativeEndian.PutUint32(out, begin+8)
	out = binary.NativeEndian.AppendUint16(out, 8)
	out = binary.NativeEndian.AppendUint16(out, 1) // NFNL_BATCH_GENID
	out = binary.BigEndian.AppendUint32(out, gen)
	return append(out, batch[begin:]...)
}
