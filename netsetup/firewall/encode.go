package firewall

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Registers of nf_tables: reg1 is 16 bytes wide, word n is its nth 4 bytes and
// runs on into the next registers (linux/netfilter/nf_tables.h).
const reg1 = unix.NFT_REG_1

func word(n uint32) uint32 { return unix.NFT_REG32_00 + n }

// Bits of the conntrack status and state (linux/netfilter/nf_conntrack_common.h).
const (
	ctDNAT        = 0x20
	ctInvalid     = 0x01
	ctEstablished = 0x02
	ctRelated     = 0x04
	ctNew         = 0x08
)

// exprs is the rule in the kernel's language.
func (r rule) exprs(table *nftables.Table) ([]expr.Any, error) {
	var e []expr.Any
	if r.Within {
		e = append(e,
			&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1},
			&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: unix.NFT_REG_2},
			&expr.Lookup{SourceRegister: reg1, SetName: setWithin})
	}
	e = append(e, device(expr.MetaKeyIIFNAME, r.In)...)
	e = append(e, device(expr.MetaKeyOIFNAME, r.Out)...)
	if r.Family != 0 {
		proto := byte(unix.NFPROTO_IPV4)
		if r.Family == 6 {
			proto = unix.NFPROTO_IPV6
		}
		e = append(e, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1}, equal([]byte{proto}))
	}
	e = append(e, r.address(false, r.Src)...)
	e = append(e, r.address(true, r.Dst)...)
	if r.Local {
		e = append(e, &expr.Fib{Register: reg1, FlagDADDR: true, ResultADDRTYPE: true},
			equal(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)))
	}
	if r.Established {
		e = append(e, conntrack(expr.CtKeySTATE, ctEstablished|ctRelated)...)
	}
	if r.Fresh {
		e = append(e, conntrack(expr.CtKeySTATE, ctInvalid|ctNew)...)
	}
	if r.Translated {
		e = append(e, conntrack(expr.CtKeySTATUS, ctDNAT)...)
	}
	act, err := r.action()
	return append(e, act...), err
}

func equal(b []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: b}
}

func conntrack(key expr.CtKey, bits uint32) []expr.Any {
	zero := make([]byte, 4)
	return []expr.Any{
		&expr.Ct{Key: key, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: zero},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: zero},
	}
}

func device(key expr.MetaKey, s string) []expr.Any {
	if s == "" {
		return nil
	}
	not, s := negated(s)
	e := []expr.Any{&expr.Meta{Key: key, Register: reg1}}
	if set, ok := strings.CutPrefix(s, "@"); ok {
		return append(e, &expr.Lookup{SourceRegister: reg1, SetName: set, Invert: not})
	}
	return append(e, compare(not, deviceName(s)))
}

func negated(s string) (bool, string) {
	rest, not := strings.CutPrefix(s, "!")
	return not, rest
}

func compare(not bool, b []byte) expr.Any {
	op := expr.CmpOpEq
	if not {
		op = expr.CmpOpNeq
	}
	return &expr.Cmp{Op: op, Register: reg1, Data: b}
}

func deviceName(s string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, s)
	return b
}

// load puts the packet's source or destination address into register reg.
func (r rule) load(dst bool, reg uint32) expr.Any {
	offset, size := uint32(12), uint32(4) // RFC 791: source at 12, destination at 16
	if r.Family == 6 {
		offset, size = 8, 16 // RFC 8200: 8 and 24
	}
	if dst {
		offset += size
	}
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
}

func (r rule) address(dst bool, s string) []expr.Any {
	if s == "" {
		return nil
	}
	not, s := negated(s)
	e := []expr.Any{r.load(dst, reg1)}
	if set, ok := strings.CutPrefix(s, "@"); ok {
		return append(e, &expr.Lookup{SourceRegister: reg1, SetName: set, Invert: not})
	}
	// The rules are constants, so what is parsed here is right.
	if !strings.Contains(s, "/") {
		return append(e, compare(not, netip.MustParseAddr(s).AsSlice()))
	}
	p := netip.MustParsePrefix(s)
	size := uint32(p.Addr().BitLen() / 8)
	return append(e, &expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: size,
		Mask: maskOf(p), Xor: make([]byte, size)}, compare(not, p.Masked().Addr().AsSlice()))
}

func maskOf(p netip.Prefix) []byte {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

func (r rule) action() ([]expr.Any, error) {
	verb, arg, _ := strings.Cut(r.Action, " ")
	switch verb {
	case "accept":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}, nil
	case "drop":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}, nil
	case "jump":
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: arg}}, nil
	case "masquerade":
		return []expr.Any{&expr.Masq{}}, nil
	case "dnat":
		return r.translate(arg), nil
	}
	return nil, fmt.Errorf("unknown action %q", r.Action)
}

// translate looks the packet's key up in the map and rewrites its destination.
func (r rule) translate(name string) []expr.Any {
	var e []expr.Any
	next, size, family := uint32(0), uint32(4), uint32(unix.NFPROTO_IPV4)
	if r.Family == 6 {
		size, family = 16, unix.NFPROTO_IPV6
	}
	if strings.HasSuffix(name, "_on") {
		e = append(e, r.load(true, word(0)))
		next = size / 4
	}
	return append(e,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: word(next)},
		&expr.Payload{DestRegister: word(next + 1), Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: word(0), DestRegister: word(0), IsDestRegSet: true, SetName: name},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family,
			RegAddrMin: word(0), RegProtoMin: word(size / 4), Specified: true})
}

// sets are the table's sets and maps.
func sets(t *nftables.Table) ([]*nftables.Set, error) {
	var err error
	concat := func(types ...nftables.SetDatatype) (d nftables.SetDatatype) {
		if err == nil {
			d, err = nftables.ConcatSetType(types...)
		}
		return d
	}
	name, addr4, addr6 := nftables.TypeIFName, nftables.TypeIPAddr, nftables.TypeIP6Addr
	proto, port := nftables.TypeInetProto, nftables.TypeInetService
	to4, to6 := concat(addr4, port), concat(addr6, port)
	all := []*nftables.Set{
		{Name: setBridges, KeyType: name, KeyByteOrder: binaryutil.NativeEndian},
		{Name: setWithin, KeyType: concat(name, name)},
		{Name: setInternal, KeyType: name, KeyByteOrder: binaryutil.NativeEndian},
		{Name: setOpen, KeyType: name, KeyByteOrder: binaryutil.NativeEndian},
		{Name: setSubnets4, KeyType: addr4, Interval: true},
		{Name: setSubnets6, KeyType: addr6, Interval: true},
		{Name: setOutward4, KeyType: addr4, Interval: true},
		{Name: setOutward6, KeyType: addr6, Interval: true},
		{Name: mapAny4, KeyType: concat(proto, port), IsMap: true, DataType: to4},
		{Name: mapOn4, KeyType: concat(addr4, proto, port), IsMap: true, DataType: to4},
		{Name: mapAny6, KeyType: concat(proto, port), IsMap: true, DataType: to6},
		{Name: mapOn6, KeyType: concat(addr6, proto, port), IsMap: true, DataType: to6},
	}
	for _, s := range all {
		s.Table, s.Concatenation = t, strings.Contains(s.KeyType.Name, " . ")
	}
	return all, err
}

var protocols = [...]struct {
	name   string
	number byte
}{{"tcp", unix.IPPROTO_TCP}, {"udp", unix.IPPROTO_UDP}, {"sctp", unix.IPPROTO_SCTP}}

// element is the forward as an entry of one of the maps.
func (f Forward) element() (set string, e nftables.SetElement) {
	set = mapAny4
	if f.Host.Addr().Is6() {
		set = mapAny6
	}
	var key []byte
	if !f.Host.Addr().IsUnspecified() {
		set += "_on"
		key = append(key, f.Host.Addr().AsSlice()...)
	}
	var proto byte
	for _, p := range protocols {
		if p.name == f.Proto {
			proto = p.number
		}
	}
	key = append(key, proto, 0, 0, 0)
	key = append(key, portBytes(f.Host.Port())...)
	return set, nftables.SetElement{Key: key, Val: targetBytes(f.To)}
}

// Each part of a key or value is padded to 4 bytes.
func portBytes(p uint16) []byte { return []byte{byte(p >> 8), byte(p), 0, 0} }

func targetBytes(to netip.AddrPort) []byte {
	return append(to.Addr().AsSlice(), portBytes(to.Port())...)
}

// elements are the network's entries, by set.
func (n Network) elements() map[string][]nftables.SetElement {
	name := deviceName(n.Bridge)
	m := map[string][]nftables.SetElement{setBridges: {{Key: name}}}
	if !n.Apart {
		m[setWithin] = []nftables.SetElement{{Key: append(deviceName(n.Bridge), name...)}}
	}
	if n.Internal {
		m[setInternal] = []nftables.SetElement{{Key: name}}
	}
	if n.Open {
		m[setOpen] = []nftables.SetElement{{Key: name}}
	}
	for _, s := range []struct {
		prefix       netip.Prefix
		all, outward string
	}{{n.Subnet, setSubnets4, setOutward4}, {n.Subnet6, setSubnets6, setOutward6}} {
		if !s.prefix.IsValid() {
			continue
		}
		m[s.all] = interval(s.prefix, n.Bridge)
		if !n.NoMasquerade && !n.Internal {
			m[s.outward] = interval(s.prefix, n.Bridge)
		}
	}
	return m
}

// interval is a prefix as the pair of elements that the kernel wants: its first
// address and the first one after it. A comment says whose it is.
func interval(p netip.Prefix, bridge string) []nftables.SetElement {
	p = p.Masked()
	end, mask := p.Addr().AsSlice(), maskOf(p)
	for i := range end {
		end[i] |= ^mask[i]
	}
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			break
		}
	}
	return []nftables.SetElement{{Key: p.Addr().AsSlice(), Comment: bridge}, {Key: end, IntervalEnd: true}}
}
