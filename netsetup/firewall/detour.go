package firewall

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// DetourTable is the name of Detour's table. It is in a container's namespace.
const DetourTable = "skiff"

// Detour sends what programs in the calling thread's network namespace ask of port
// from at a loopback address to port to, over UDP and TCP, so that a server can
// have the first one at all other addresses.
//
// Ports are rewritten, each way, in the packets themselves, and not translated by
// connection tracking: a namespace without that stays so, and two questions from one
// socket at once, as the C library asks them, cannot get into each other's way.
// Connection tracking that the container has sees the second port only. An earlier
// detour in the namespace goes.
func Detour(at netip.Addr, from, to uint16) error {
	t := &nftables.Table{Name: DetourTable, Family: nftables.TableFamilyIPv4}
	accept := nftables.ChainPolicyAccept
	out := &nftables.Chain{Table: t, Name: "ask", Type: nftables.ChainTypeFilter, Policy: &accept,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRaw}
	in := &nftables.Chain{Table: t, Name: "answer", Type: nftables.ChainTypeFilter, Policy: &accept,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityRef(100)}
	batch, err := record(false, func(c *nftables.Conn) error {
		c.CreateTable(t)
		c.AddChain(out)
		c.AddChain(in)
		for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			c.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: readdress(at, 16, proto, 2, from, to)})
			c.AddRule(&nftables.Rule{Table: t, Chain: in, Exprs: readdress(at, 12, proto, 0, to, from)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err = Send(batch); !errors.Is(err, unix.EEXIST) {
		return err
	}
	old, err := record(false, func(c *nftables.Conn) error { c.DelTable(t); return nil })
	if err != nil {
		return err
	}
	if err := Send(old); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return Send(batch)
}

// readdress matches packets with the address and a port, each at its place in the
// header, and writes another port.
func readdress(addr netip.Addr, addrAt uint32, proto byte, portAt uint32, from, to uint16) []expr.Any {
	sum := uint32(6) // RFC 768
	if proto == unix.IPPROTO_TCP {
		sum = 16 // RFC 9293
	}
	return []expr.Any{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: addrAt, Len: 4},
		equal(addr.AsSlice()),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		equal([]byte{proto}),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: portAt, Len: 2},
		equal(binary.BigEndian.AppendUint16(nil, from)),
		&expr.Immediate{Register: reg1, Data: binary.BigEndian.AppendUint16(nil, to)},
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: reg1, Base: expr.PayloadBaseTransportHeader,
			Offset: portAt, Len: 2, CsumType: expr.CsumTypeInet, CsumOffset: sum},
	}
}
