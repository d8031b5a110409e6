package link

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// FlushUDP forgets the UDP flows to the given ports of this host. A flow that
// began before the port was published is remembered as one to the host and
// would stay that for as long as the client goes on sending.
func (c *Conn) FlushUDP(ports []uint16) error {
	for _, p := range ports {
		f := &netlink.ConntrackFilter{}
		if err := errors.Join(f.AddProtocol(unix.IPPROTO_UDP), f.AddPort(netlink.ConntrackOrigDstPort, p)); err != nil {
			return err
		}
		for _, fam := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			// A kernel without the connection tracker's netlink has no way to do this;
			// such flows end by themselves.
			netlink.ConntrackDeleteFilters(netlink.ConntrackTable, fam, f)
		}
	}
	return nil
}
