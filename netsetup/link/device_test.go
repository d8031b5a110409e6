package link

import (
	"bytes"
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
)

// attributes are those of a message, by their paths.
func attributes(t *testing.T, data []nl.NetlinkRequestData) map[int][]byte {
	t.Helper()
	out := map[int][]byte{}
	for _, d := range data {
		if a, ok := d.(*nl.RtAttr); ok {
			b := a.Serialize()
			out[int(a.Type)] = b[unix.SizeofRtAttr:]
		}
	}
	return out
}

// nested finds an attribute in another's value.
func nested(t *testing.T, b []byte, kind uint16) []byte {
	t.Helper()
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attrs {
		if a.Attr.Type == kind {
			return a.Value
		}
	}
	return nil
}

// Kinds that this kernel may not have are at least asked for as linux/if_link.h has it.
func TestDevicesOnAParent(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for _, c := range []struct {
		d    plan.Device
		attr uint16
		mode []byte
	}{
		{plan.Device{Kind: "macvlan", Mode: "bridge", MAC: mac, MTU: 1400}, nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(4)},
		{plan.Device{Kind: "macvlan", Mode: "private", MAC: mac}, nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(1)},
		{plan.Device{Kind: "macvlan", Mode: "vepa", MAC: mac}, nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(2)},
		{plan.Device{Kind: "macvlan", Mode: "passthru"}, nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(8)},
		{plan.Device{Kind: "ipvlan", Mode: "l2"}, nl.IFLA_IPVLAN_MODE, nl.Uint16Attr(0)},
		{plan.Device{Kind: "ipvlan", Mode: "l3"}, nl.IFLA_IPVLAN_MODE, nl.Uint16Attr(1)},
		{plan.Device{Kind: "ipvlan", Mode: "l3s"}, nl.IFLA_IPVLAN_MODE, nl.Uint16Attr(2)},
	} {
		c.d.Name = "eth7"
		got := attributes(t, subMessage(c.d, 77, 5))
		data := nested(t, got[unix.IFLA_LINKINFO], nl.IFLA_INFO_DATA)
		if mode := nested(t, data, c.attr); !bytes.Equal(mode, c.mode) {
			t.Errorf("%s %s: mode %v want %v", c.d.Kind, c.d.Mode, mode, c.mode)
		}
		if kind := string(nested(t, got[unix.IFLA_LINKINFO], nl.IFLA_INFO_KIND)); kind != c.d.Kind {
			t.Errorf("kind %q want %q", kind, c.d.Kind)
		}
		for what, pair := range map[string][2][]byte{
			"parent":    {got[unix.IFLA_LINK], nl.Uint32Attr(77)},
			"namespace": {got[unix.IFLA_NET_NS_FD], nl.Uint32Attr(5)},
			"address":   {got[unix.IFLA_ADDRESS], c.d.MAC},
		} {
			if !bytes.HasPrefix(pair[0], pair[1]) || (len(pair[0]) == 0) != (len(pair[1]) == 0) {
				t.Errorf("%s %s: %s %v want %v", c.d.Kind, c.d.Mode, what, pair[0], pair[1])
			}
		}
		if _, ok := got[unix.IFLA_MTU]; ok != (c.d.MTU > 0) {
			t.Errorf("%s %s: MTU %v", c.d.Kind, c.d.Mode, got[unix.IFLA_MTU])
		}
	}
}
