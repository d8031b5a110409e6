package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
	"skiff/state"
)

var (
	// ErrNoKind: the kernel has no devices of the kind.
	ErrNoKind = errors.New("the kernel has no such devices")
	// ErrNoParent: the device to sit on is not there.
	ErrNoParent = errors.New("it is not on this host")
)

// settling is how long a device of a container that has just ended may be in the
// way: the kernel takes a namespace apart a moment after its last process.
const settling = 3 * time.Second

// Device makes a container's device in the namespace ns under its final name, for
// an endpoint in the bridge with the number under, or on the parent that has it.
// owner tells devices of the same container from others of the same name.
//
// Postconditions: on error it is not there.
func (c *Conn) Device(d plan.Device, owner string, under, ns int) error {
	if d.Kind == plan.KindVeth {
		return c.veth(d, owner, under, ns)
	}
	return c.sub(d, under, ns)
}

// veth makes a pair of devices: one end here, up and in the bridge, the other in
// the namespace. A pair that an earlier run left under the same name is replaced.
func (c *Conn) veth(d plan.Device, owner string, master, ns int) error {
	for deadline := time.Now().Add(settling); ; {
		err := c.addVeth(d, owner, master, ns)
		switch {
		case err == nil:
			return c.portVLAN(d)
		case errors.Is(err, unix.EEXIST):
			gone, err := c.evict(d, owner)
			if err != nil {
				return err
			}
			if !gone || time.Now().After(deadline) {
				return fmt.Errorf("cannot make the device %s: the name is taken", d.Host)
			}
		case errors.Is(err, unix.EXFULL):
			c.Delete(d.Host)
			return ErrBridgeFull
		case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EINVAL):
			c.Delete(d.Host)
			return fmt.Errorf("%w (%v)", ErrNoBridge, err)
		default:
			c.Delete(d.Host)
			return fmt.Errorf("cannot make the container's network device: %w", err)
		}
	}
}

// evict removes what has the name of the host's end, if it is this container's.
func (c *Conn) evict(d plan.Device, owner string) (bool, error) {
	if d.Foreign {
		if ok, err := c.Owns(d.Host, owner); !ok || err != nil {
			return false, err
		}
	}
	return true, c.Delete(d.Host)
}

// Owns says whether a device that has a name of the user's is the container's. One
// that is not there is.
func (c *Conn) Owns(dev, owner string) (bool, error) {
	found, ok, err := c.lookup(dev)
	return !ok || found.alias == owner, err
}

// linkInfo begins the description of a kind of device; data adds its details.
func linkInfo(kind string) (info *nl.RtAttr, data func() *nl.RtAttr) {
	info = nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	return info, func() *nl.RtAttr { return info.AddRtAttr(nl.IFLA_INFO_DATA, nil) }
}

func (c *Conn) addVeth(d plan.Device, owner string, master, ns int) error {
	link, data := linkInfo("veth")
	peer := data().AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, unix.AF_UNSPEC)
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(d.Name))
	peer.AddRtAttr(unix.IFLA_ADDRESS, d.MAC)
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns)))
	attrs := []nl.NetlinkRequestData{info(0, true), name(d.Host), link,
		nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master)))}
	if d.MTU > 0 {
		mtu := nl.Uint32Attr(uint32(d.MTU))
		peer.AddRtAttr(unix.IFLA_MTU, mtu)
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_MTU, mtu))
	}
	_, err := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, attrs...)
	if err == nil && d.Foreign {
		if _, err = c.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, info(0, false), name(d.Host),
			nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(owner))); err != nil {
			c.Delete(d.Host)
		}
	}
	return err
}

// portVLAN puts the bridge's port into its VLAN only.
func (c *Conn) portVLAN(d plan.Device) error {
	if d.VLAN == 0 {
		return nil
	}
	index, ok, err := c.Index(d.Host)
	if err == nil && ok {
		err = c.bridgeVLAN(unix.RTM_SETLINK, index, d.VLAN, 0)
	}
	if err == nil && ok && d.VLAN != 1 {
		// Where the bridge is the host's, ports begin in the VLAN 1.
		_ = c.bridgeVLAN(unix.RTM_DELLINK, index, 1, 0)
	}
	if err != nil {
		c.Delete(d.Host)
	}
	return err
}

// bridgeVLAN puts a device of a bridge into a VLAN, untagged, or takes it out.
func (c *Conn) bridgeVLAN(kind, index, vid int, flags uint16) error {
	m := nl.NewIfInfomsg(unix.AF_BRIDGE)
	m.Index = int32(index)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	if flags != 0 {
		spec.AddRtAttr(nl.IFLA_BRIDGE_FLAGS, nl.Uint16Attr(flags))
	}
	v := nl.BridgeVlanInfo{Vid: uint16(vid)}
	if kind == unix.RTM_SETLINK {
		v.Flags = nl.BRIDGE_VLAN_INFO_PVID | nl.BRIDGE_VLAN_INFO_UNTAGGED
	}
	spec.AddRtAttr(nl.IFLA_BRIDGE_VLAN_INFO, v.Serialize())
	if _, err := c.request(kind, unix.NLM_F_ACK, m, spec); err != nil {
		return fmt.Errorf("cannot put a port of the bridge into VLAN %d: %w", vid, err)
	}
	return nil
}

// sub makes a device that sits on a parent, right in the namespace.
func (c *Conn) sub(d plan.Device, parent, ns int) error {
	for deadline := time.Now().Add(settling); ; time.Sleep(5 * time.Millisecond) {
		_, err := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, subMessage(d, parent, ns)...)
		switch {
		case err == nil:
			return nil
		case passing(d, err) && time.Now().Before(deadline):
		case errors.Is(err, unix.EOPNOTSUPP):
			return fmt.Errorf("cannot make a device of the kind %s: %w", d.Kind, ErrNoKind)
		case errors.Is(err, unix.ENODEV):
			return fmt.Errorf("cannot use the parent device %s: %w", d.Parent, ErrNoParent)
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EADDRINUSE):
			return fmt.Errorf("cannot make a device of the kind %s (%s) on %s: it is in use by another (%w)", d.Kind, d.Mode, d.Parent, err)
		default:
			return fmt.Errorf("cannot make a device of the kind %s on %s: %w", d.Kind, d.Parent, err)
		}
	}
}

// passing says that the failure may be due to a device that is about to go: one
// on a parent that has room for one only.
func passing(d plan.Device, err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EADDRINUSE) || d.Mode == "passthru" && errors.Is(err, unix.EINVAL)
}

// Modes of macvlan and ipvlan devices, see linux/if_link.h.
var (
	macvlanModes = map[string]uint32{"private": nl.MACVLAN_MODE_PRIVATE, "vepa": nl.MACVLAN_MODE_VEPA, "bridge": nl.MACVLAN_MODE_BRIDGE, "passthru": nl.MACVLAN_MODE_PASSTHRU}
	ipvlanModes  = map[string]uint16{"l2": 0, "l3": 1, "l3s": 2}
)

func subMessage(d plan.Device, parent, ns int) []nl.NetlinkRequestData {
	link, data := linkInfo(d.Kind)
	if d.Kind == state.DriverMacvlan {
		data().AddRtAttr(nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(macvlanModes[d.Mode]))
	} else {
		data().AddRtAttr(nl.IFLA_IPVLAN_MODE, nl.Uint16Attr(ipvlanModes[d.Mode]))
	}
	attrs := []nl.NetlinkRequestData{info(0, false), name(d.Name), link,
		nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(parent))),
		nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns)))}
	if d.MAC != nil {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_ADDRESS, d.MAC))
	}
	if d.MTU > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(d.MTU))))
	}
	return attrs
}

// Parent makes a device that containers' devices sit on, and sets it up: a VLAN
// device of the device base, or with base empty one that leads nowhere. One that
// is there is left as it is; made says that it was not.
func (c *Conn) Parent(dev, base string, vid int) (made bool, err error) {
	kind := "vlan"
	attrs := []nl.NetlinkRequestData{info(0, true), name(dev)}
	if base == "" {
		kind = "dummy"
	}
	link, data := linkInfo(kind)
	if base != "" {
		index, ok, err := c.Index(base)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, fmt.Errorf("cannot use the device %s: %w", base, ErrNoParent)
		}
		data().AddRtAttr(nl.IFLA_VLAN_ID, nl.Uint16Attr(uint16(vid)))
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(index))))
	}
	_, err = c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, append(attrs, link)...)
	switch {
	case errors.Is(err, unix.EEXIST):
		return false, nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return false, fmt.Errorf("cannot make the device %s of the kind %s: %w", dev, kind, ErrNoKind)
	case err != nil:
		return false, fmt.Errorf("cannot make the device %s: %w", dev, err)
	}
	return true, nil
}

// HasKind says whether the kernel has devices of the kind. It asks for one that
// cannot be, with an address of one byte: no kind is looked at any further.
func (c *Conn) HasKind(kind string) (bool, error) {
	link, _ := linkInfo(kind)
	_, err := c.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, info(0, false), name("skiff-none"), link,
		nl.NewRtAttr(unix.IFLA_ADDRESS, []byte{0}))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return false, nil
	case errors.Is(err, unix.EINVAL):
		return true, nil
	case err == nil:
		return true, c.Delete("skiff-none")
	}
	return false, fmt.Errorf("cannot find out about devices of the kind %s: %w", kind, err)
}

// found is what is known of a device.
type found struct {
	index  int
	name   string
	alias  string
	kind   string // such as bridge; empty for hardware
	master int
	mac    net.HardwareAddr
}

// lookup finds a device by its name.
func (c *Conn) lookup(dev string) (d found, ok bool, err error) {
	return c.one(info(0, false), name(dev))
}

// device finds a device by its number.
func (c *Conn) device(index int) (found, error) {
	d, ok, err := c.one(info(index, false))
	if err == nil && !ok {
		err = errors.New("the device is gone")
	}
	return d, err
}

func (c *Conn) one(ask ...nl.NetlinkRequestData) (d found, ok bool, err error) {
	filter := nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(1<<3)) // RTEXT_FILTER_SKIP_STATS
	msgs, err := c.request(unix.RTM_GETLINK, 0, append(ask, filter)...)
	if errors.Is(err, unix.ENODEV) {
		return d, false, nil
	}
	if err != nil || len(msgs) == 0 {
		return d, false, fmt.Errorf("cannot look a device up: %w", err)
	}
	d, err = readDevice(msgs[0])
	return d, err == nil, err
}

func readDevice(b []byte) (d found, err error) {
	m := nl.DeserializeIfInfomsg(b)
	d.index = int(m.Index)
	attrs, err := nl.ParseRouteAttr(b[m.Len():])
	if err != nil {
		return d, fmt.Errorf("cannot read a device: %w", err)
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			d.name = nl.BytesToString(a.Value)
		case unix.IFLA_IFALIAS:
			d.alias = nl.BytesToString(a.Value)
		case unix.IFLA_MASTER:
			d.master = int(binary.NativeEndian.Uint32(a.Value))
		case unix.IFLA_ADDRESS:
			d.mac = net.HardwareAddr(a.Value)
		case unix.IFLA_LINKINFO:
			if d.kind, err = readKind(a.Value); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

func readKind(info []byte) (string, error) {
	attrs, err := nl.ParseRouteAttr(info)
	for _, a := range attrs {
		if a.Attr.Type == nl.IFLA_INFO_KIND {
			return nl.BytesToString(a.Value), nil
		}
	}
	return "", err
}

// Kind tells what kind of device has the name, empty for hardware, and whether
// there is one.
func (c *Conn) Kind(dev string) (kind string, ok bool, err error) {
	d, ok, err := c.lookup(dev)
	return d.kind, ok, err
}

// Loose are the names of the devices that begin with the prefix and are in no bridge.
func (c *Conn) Loose(prefix string) (names []string, err error) {
	all, err := c.dump()
	for _, d := range all {
		if strings.HasPrefix(d.name, prefix) && d.master == 0 {
			names = append(names, d.name)
		}
	}
	return names, err
}

// Named are the names of the devices that begin with the prefix.
func (c *Conn) Named(prefix string) (names []string, err error) {
	all, err := c.dump()
	for _, d := range all {
		if strings.HasPrefix(d.name, prefix) {
			names = append(names, d.name)
		}
	}
	return names, err
}

func (c *Conn) dump(filter ...nl.NetlinkRequestData) (all []found, err error) {
	msgs, err := c.request(unix.RTM_GETLINK, unix.NLM_F_DUMP, append([]nl.NetlinkRequestData{info(0, false)}, filter...)...)
	if err != nil {
		return nil, fmt.Errorf("cannot list devices: %w", err)
	}
	for _, b := range msgs {
		d, err := readDevice(b)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// DeletePorts removes the devices that are in a bridge: those of containers
// whose namespaces the kernel has yet to take apart.
func (c *Conn) DeletePorts(bridge string) error {
	ports, err := c.Ports(bridge)
	errs := []error{err}
	for _, dev := range ports {
		errs = append(errs, c.Delete(dev))
	}
	return errors.Join(errs...)
}

// Ports are the names of the devices that are in a bridge.
func (c *Conn) Ports(bridge string) (names []string, err error) {
	index, ok, err := c.Index(bridge)
	if err != nil || !ok {
		return nil, err
	}
	ports, err := c.dump(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(index))))
	for _, d := range ports {
		if d.master == index { // kernels may ignore the filter
			names = append(names, d.name)
		}
	}
	return names, err
}
