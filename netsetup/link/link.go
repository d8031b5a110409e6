// Package link talks rtnetlink: devices, addresses, routes and network
// namespaces. No other package imports the netlink library.
//
// Not here: which names and addresses (netsetup/plan), packet rules
// (netsetup/firewall).
package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
)

var (
	// ErrBridgeFull: a bridge of Linux takes 1023 devices (BR_PORT_BITS).
	ErrBridgeFull = errors.New("the bridge is full: it takes at most 1023 containers")
	// ErrNoBridge: the bridge device is not there.
	ErrNoBridge = errors.New("the bridge is gone")
)

// Conn is an rtnetlink socket in one network namespace: the one of the thread
// that opened it. It is for one goroutine at a time.
type Conn struct {
	sockets map[int]*nl.SocketHandle
}

// dumpTries bounds how often a list is asked for that changes meanwhile.
const dumpTries = 50

// Open makes a connection in the calling thread's network namespace.
func Open() (*Conn, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the network: %w", err)
	}
	return &Conn{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

// Close ends the connection.
func (c *Conn) Close() {
	if c != nil {
		c.sockets[unix.NETLINK_ROUTE].Close()
	}
}

func (c *Conn) request(kind, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	for try := 0; ; try++ {
		req := nl.NewNetlinkRequest(kind, flags)
		req.Sockets = c.sockets
		for _, d := range data {
			req.AddData(d)
		}
		msgs, err := req.Execute(unix.NETLINK_ROUTE, 0)
		// A list that changed while the kernel gave it (NLM_F_DUMP_INTR, netlink(7)) is
		// asked for again.
		if !errors.Is(err, nl.ErrDumpInterrupted) || try == dumpTries {
			return msgs, err
		}
	}
}

func info(index int, up bool) *nl.IfInfomsg {
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index = int32(index)
	if up {
		m.Flags, m.Change = unix.IFF_UP, unix.IFF_UP
	}
	return m
}

func name(s string) *nl.RtAttr { return nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(s)) }

// Index gives a device's number; ok is false if there is none of that name.
func (c *Conn) Index(dev string) (index int, ok bool, err error) {
	d, ok, err := c.lookup(dev)
	return d.index, ok, err
}

// Bridge makes a bridge device, sets it up with prepare (its kernel
// parameters) and gives it its addresses; it fails with EEXIST where the name
// is taken.
//
// Postconditions: on error the device is gone again.
func (c *Conn) Bridge(b plan.Bridge, prepare func() error) (err error) {
	kind, data := linkInfo("bridge")
	if b.VLAN > 0 {
		data := data()
		data.AddRtAttr(nl.IFLA_BR_VLAN_FILTERING, nl.Uint8Attr(1))
		data.AddRtAttr(nl.IFLA_BR_VLAN_DEFAULT_PVID, nl.Uint16Attr(0))
	}
	attrs := []nl.NetlinkRequestData{info(0, false), name(b.Name), kind, nl.NewRtAttr(unix.IFLA_ADDRESS, b.MAC)}
	if b.MTU > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(b.MTU))))
	}
	if _, err := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, attrs...); err != nil {
		return fmt.Errorf("cannot make the bridge %s: %w", b.Name, err)
	}
	defer func() {
		if err != nil {
			c.Delete(b.Name)
		}
	}()
	index, _, err := c.Index(b.Name)
	if err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	if b.VLAN > 0 {
		if err := c.bridgeVLAN(unix.RTM_SETLINK, index, b.VLAN, nl.BRIDGE_FLAGS_SELF); err != nil {
			return err
		}
	}
	for _, a := range []netip.Prefix{b.Address, b.Address6} {
		if !a.IsValid() {
			continue
		}
		if err := c.Address(index, a); err != nil {
			return err
		}
	}
	return c.Up(index)
}

// Up sets a device up.
func (c *Conn) Up(index int) error {
	if _, err := c.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, info(index, true)); err != nil {
		return fmt.Errorf("cannot set a device up: %w", err)
	}
	return nil
}

// Hairpin lets the bridge send a container's packets back to it: what goes to a
// port that it publishes itself, where the bridge's traffic passes the firewall
// (br_netfilter).
func (c *Conn) Hairpin(host string) error {
	index, ok, err := c.Index(host)
	if err != nil || !ok {
		return err
	}
	if err := c.portFlag(index, nl.IFLA_BRPORT_MODE); err != nil {
		return fmt.Errorf("cannot let a container reach its own ports: %w", err)
	}
	return nil
}

// Isolate keeps the bridge from sending a container's packets to others that are
// isolated, too.
func (c *Conn) Isolate(host string) error {
	index, ok, err := c.Index(host)
	if err != nil || !ok {
		return err
	}
	if err := c.portFlag(index, nl.IFLA_BRPORT_ISOLATED); err != nil {
		return fmt.Errorf("cannot keep containers apart: %w", err)
	}
	return nil
}

// portFlag sets a flag of a bridge's port.
func (c *Conn) portFlag(index, flag int) error {
	m := nl.NewIfInfomsg(unix.AF_BRIDGE)
	m.Index = int32(index)
	port := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	port.AddRtAttr(flag, nl.Uint8Attr(1))
	_, err := c.request(unix.RTM_SETLINK, unix.NLM_F_ACK, m, port)
	return err
}

// Delete removes a device; one that is not there is no error.
func (c *Conn) Delete(dev string) error {
	_, err := c.request(unix.RTM_DELLINK, unix.NLM_F_ACK, info(0, false), name(dev))
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot remove the device %s: %w", dev, err)
	}
	return nil
}

// Address gives a device an address, which is usable at once.
func (c *Conn) Address(index int, p netip.Prefix) error {
	m := nl.NewIfAddrmsg(family(p.Addr()))
	m.Index, m.Prefixlen = uint32(index), uint8(p.Bits())
	attrs := []nl.NetlinkRequestData{m,
		nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()), nl.NewRtAttr(unix.IFA_ADDRESS, p.Addr().AsSlice())}
	if p.Addr().Is4() {
		attrs = append(attrs, nl.NewRtAttr(unix.IFA_BROADCAST, broadcast(p)))
	} else {
		m.Flags = unix.IFA_F_NODAD
	}
	if _, err := c.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, attrs...); err != nil {
		return fmt.Errorf("cannot set the address %s: %w", p, err)
	}
	return nil
}

func broadcast(p netip.Prefix) net.IP {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b[:]
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Addresses are those of all devices.
func (c *Conn) Addresses() (all []netip.Prefix, err error) {
	msgs, err := c.request(unix.RTM_GETADDR, unix.NLM_F_DUMP, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	for _, b := range msgs {
		m := nl.DeserializeIfAddrmsg(b)
		attrs, err := nl.ParseRouteAttr(b[m.Len():])
		if err != nil {
			return nil, fmt.Errorf("cannot read an address: %w", err)
		}
		var addr netip.Addr
		for _, a := range attrs {
			if ip, ok := netip.AddrFromSlice(a.Value); ok && (a.Attr.Type == unix.IFA_LOCAL || a.Attr.Type == unix.IFA_ADDRESS && !addr.IsValid()) {
				addr = ip
			}
		}
		if addr.IsValid() {
			all = append(all, netip.PrefixFrom(addr, int(m.Prefixlen)))
		}
	}
	return all, nil
}
