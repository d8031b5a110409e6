package state

import (
	"net"
	"strconv"
)

// PortMatch names published ports. What is zero or empty in it matches all.
type PortMatch struct {
	HostIP        string
	HostPort      uint16
	ContainerPort uint16
	Protocol      string
}

// Matches says whether the port is meant. A range of host ports is meant by each
// of them.
func (m PortMatch) Matches(p Port) bool {
	last := max(p.HostPort, p.HostPortEnd)
	return (m.HostIP == "" || m.HostIP == p.HostIP) &&
		(m.HostPort == 0 || m.HostPort >= p.HostPort && m.HostPort <= last) &&
		(m.ContainerPort == 0 || m.ContainerPort == p.ContainerPort) &&
		(m.Protocol == "" || m.Protocol == p.Protocol)
}

// String is the port as a person writes it.
func (m PortMatch) String() string {
	s := ""
	if m.HostPort != 0 {
		s = strconv.Itoa(int(m.HostPort))
	}
	if m.ContainerPort != 0 {
		s += ":" + strconv.Itoa(int(m.ContainerPort))
	}
	if m.HostIP != "" {
		s = net.JoinHostPort(m.HostIP, s)
	}
	if m.Protocol != "" {
		s += "/" + m.Protocol
	}
	return s
}
