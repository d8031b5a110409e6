package state

import (
	"net"
	"strconv"
)

// PortMatch names published ports. What is zero or empty in it matches all.
type PortMatch struct {
	HostIP string
	// HostPort and ContainerPort are the first of a range that ends with the Ends.
	HostPort, HostPortEnd           uint16
	ContainerPort, ContainerPortEnd uint16
	Protocol                        string
}

// Matches says whether the port is meant. One with a range of host ports to
// choose from is meant by each of them.
func (m PortMatch) Matches(p Port) bool {
	last := max(p.HostPort, p.HostPortEnd)
	return (m.HostIP == "" || m.HostIP == p.HostIP) &&
		(m.HostPort == 0 || m.HostPort <= last && p.HostPort <= m.HostPortEnd) &&
		(m.ContainerPort == 0 || m.ContainerPort <= p.ContainerPort && p.ContainerPort <= m.ContainerPortEnd) &&
		(m.Protocol == "" || m.Protocol == p.Protocol)
}

// String is the port as a person writes it.
func (m PortMatch) String() string {
	span := func(first, last uint16) string {
		if last > first {
			return strconv.Itoa(int(first)) + "-" + strconv.Itoa(int(last))
		}
		return strconv.Itoa(int(first))
	}
	s := ""
	if m.HostPort != 0 {
		s = span(m.HostPort, m.HostPortEnd)
	}
	if m.ContainerPort != 0 {
		s += ":" + span(m.ContainerPort, m.ContainerPortEnd)
	}
	if m.HostIP != "" {
		s = net.JoinHostPort(m.HostIP, s)
	}
	if m.Protocol != "" {
		s += "/" + m.Protocol
	}
	return s
}
