package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
)

// routeTypes are those of routes that lead nowhere.
var routeTypes = map[string]uint8{"": unix.RTN_UNICAST, "blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT}

// Route makes a route over the device with the number index, in the place of one
// with the same destination and metric.
func (c *Conn) Route(index int, r plan.Route) error {
	return c.route(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, r)
}

// DeleteRoute removes a route; one that is not there is no error.
func (c *Conn) DeleteRoute(index int, r plan.Route) error {
	err := c.route(unix.RTM_DELROUTE, 0, index, r)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func (c *Conn) route(kind, flags, index int, r plan.Route) error {
	m := nl.NewRtMsg()
	m.Family, m.Dst_len, m.Type = uint8(family(r.To.Addr())), uint8(r.To.Bits()), routeTypes[r.Type]
	attrs := []nl.NetlinkRequestData{m}
	if r.To.Bits() > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_DST, r.To.Addr().AsSlice()))
	}
	if r.Via.IsValid() {
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_GATEWAY, r.Via.AsSlice()))
	}
	if r.Type == "" {
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
		if !r.Via.IsValid() {
			m.Scope = unix.RT_SCOPE_LINK
		}
	}
	if r.Metric > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Metric))))
	}
	if _, err := c.request(kind, flags|unix.NLM_F_ACK, attrs...); err != nil {
		return fmt.Errorf("cannot set the route to %s: %w", routeText(r), err)
	}
	return nil
}

func routeText(r plan.Route) string {
	if r.To.Bits() == 0 && r.Via.IsValid() {
		return r.Via.String()
	}
	return r.To.String()
}

// routeOf is a route that the kernel told of.
type routeOf struct {
	*nl.RtMsg
	dst    netip.Prefix // zero for a default route
	index  int
	metric uint32
}

func (c *Conn) allRoutes() (all []routeOf, err error) {
	msgs, err := c.request(unix.RTM_GETROUTE, unix.NLM_F_DUMP, &nl.RtMsg{})
	if err != nil {
		return nil, fmt.Errorf("cannot list routes: %w", err)
	}
	for _, b := range msgs {
		r := routeOf{RtMsg: nl.DeserializeRtMsg(b)}
		attrs, err := nl.ParseRouteAttr(b[r.Len():])
		if err != nil {
			return nil, fmt.Errorf("cannot read a route: %w", err)
		}
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.RTA_DST:
				if addr, ok := netip.AddrFromSlice(a.Value); ok {
					r.dst = netip.PrefixFrom(addr, int(r.Dst_len))
				}
			case unix.RTA_OIF:
				r.index = int(binary.NativeEndian.Uint32(a.Value))
			case unix.RTA_PRIORITY:
				r.metric = binary.NativeEndian.Uint32(a.Value)
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// Routes are all destinations that this namespace has routes or addresses for,
// and whether it has IPv6 beyond the link.
func (c *Conn) Routes() (used []netip.Prefix, ipv6 bool, err error) {
	all, err := c.allRoutes()
	for _, r := range all {
		switch {
		case r.Type == unix.RTN_BROADCAST || r.Type == unix.RTN_MULTICAST:
		case !r.dst.IsValid():
			ipv6 = ipv6 || r.Family == unix.AF_INET6 && r.Type == unix.RTN_UNICAST
		default:
			used = append(used, r.dst)
			ipv6 = ipv6 || r.dst.Addr().Is6() && r.Type == unix.RTN_LOCAL && r.dst.Addr().IsGlobalUnicast()
		}
	}
	return used, ipv6, err
}

// DefaultDevice is the device that the default route leads over, that of IPv4 if
// there is one; empty without any.
func (c *Conn) DefaultDevice() (string, error) {
	all, err := c.allRoutes()
	if err != nil {
		return "", err
	}
	var best *routeOf
	for i, r := range all {
		if r.dst.IsValid() || r.Type != unix.RTN_UNICAST || r.Table != unix.RT_TABLE_MAIN || r.index == 0 {
			continue
		}
		if best == nil || r.Family < best.Family || r.Family == best.Family && r.metric < best.metric {
			best = &all[i]
		}
	}
	if best == nil {
		return "", nil
	}
	d, err := c.device(best.index)
	return d.name, err
}
