package monitor

import (
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

// changePorts records what the engine does to the published ports of this run, see
// changeNetwork.
func (m *monitor) changePorts(c *conn, p *wire.Ports) string {
	if p == nil {
		return endedMeanwhile
	}
	n := wire.Network{Pid: p.Pid, PidStart: p.PidStart, Network: m.status.Network, Teardown: p.Teardown, Released: p.Released}
	n.Network.Ports = p.Ports
	return m.changeNetwork(c, &n)
}

const endedMeanwhile = "the container has ended meanwhile"

// changeNetwork records what the engine does to the network of this run, answers the
// container's questions for names accordingly, takes the sockets that reserve new host
// ports, and lets go of those that are not needed any
// more. It returns what is wrong with it; then nothing has changed.
func (m *monitor) changeNetwork(c *conn, n *wire.Network) string {
	if n == nil || m.doing != running || n.Pid != m.status.Pid || n.PidStart != m.status.PidStart {
		return endedMeanwhile
	}
	before := m.status
	s := &m.status
	cgroups := s.Teardown.Cgroups
	s.Teardown = n.Teardown
	s.Teardown.Cgroups = cgroups
	s.Network = n.Network
	if err := m.recordStatus(); err != nil {
		m.status = before
		return err.Error()
	}
	var sockets []int
	if m.resolver == nil {
		c.fds, sockets = takeResolver(&s.Network, c.fds)
	}
	if err := m.answerNames(s.Network, sockets); err != nil {
		m.status = before
		return errors.Join(err, m.recordStatus()).Error()
	}
	m.reserved = append(m.reserved, c.fds...)
	c.fds = nil
	m.reserved = slices.DeleteFunc(m.reserved, func(fd int) bool {
		if !reserves(fd, n.Released) {
			return false
		}
		unix.Close(fd)
		return true
	})
	return ""
}

// reserves says whether the socket keeps one of the host ports.
func reserves(fd int, ports []state.Port) bool {
	if len(ports) == 0 {
		return false
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	number, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return false
	}
	var at netip.AddrPort
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return slices.ContainsFunc(ports, func(p state.Port) bool {
		if p.HostPort != at.Port() || protocol(p.Protocol) != number {
			return false
		}
		if p.HostIP == "" {
			return at.Addr().IsUnspecified()
		}
		ip, err := netip.ParseAddr(p.HostIP)
		return err == nil && ip.Unmap().WithZone("") == at.Addr()
	})
}

func protocol(name string) int {
	switch name {
	case "udp":
		return unix.IPPROTO_UDP
	case "sctp":
		return unix.IPPROTO_SCTP
	}
	return unix.IPPROTO_TCP
}
