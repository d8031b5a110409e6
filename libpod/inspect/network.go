package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"skiff/state"
)

// Address is the part of the network's document that Docker has both for the
// container and for each of its networks.
type Address struct {
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	MacAddress          string
}

// EndpointSettings is a container's place in one network.
type EndpointSettings struct {
	Address
	NetworkID  string
	DriverOpts map[string]string
	IPAMConfig map[string]string
	Links      []string
	Aliases    []string
	DNSNames   []string `json:",omitempty"`
	GwPriority int      `json:",omitempty"`
}

// NetworkSettings is the network that a container has.
type NetworkSettings struct {
	Address
	Bridge                 string
	SandboxID              string
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	Ports                  map[string][]HostPort
	SandboxKey             string
	Networks               map[string]*EndpointSettings
}

func networkSettings(c Container, dockerStyle bool) *NetworkSettings {
	n := &NetworkSettings{SandboxKey: c.Status.Network.SandboxKey, Networks: map[string]*EndpointSettings{}}
	ports := c.Config.Network.Ports
	if c.Status.Phase.Active() {
		ports = c.Status.Network.Ports
	} else if dockerStyle {
		ports = nil
	}
	n.Ports = boundPorts(ports, c.Config.Network.Expose, c.Status.Phase.Active() || !dockerStyle)
	live := map[string]state.EndpointStatus{}
	for _, ep := range c.Status.Network.Endpoints {
		live[ep.Network] = ep
	}
	if !c.Status.Phase.Active() {
		clear(live)
	}
	if c.Config.Network.Mode != state.ModeBridge {
		if m := c.Config.Network.Mode; dockerStyle && (m == state.ModeHost || m == state.ModeNone) {
			n.Networks[m] = &EndpointSettings{NetworkID: c.NetworkIDs[m]}
			if c.Status.Phase.Active() {
				n.Networks[m].EndpointID = endpointID(c, m)
			}
		}
		return n
	}
	for i, want := range c.Config.Network.Endpoints {
		ep := endpoint(c, want, live[want.Network])
		if dockerStyle {
			ep.NetworkID = c.NetworkIDs[want.Network]
			if live[want.Network].Interface != "" {
				ep.EndpointID = endpointID(c, want.Network)
			}
		}
		n.Networks[want.Network] = ep
		if i == 0 && (!dockerStyle || want.Network == state.DefaultNetwork) {
			n.Address = ep.Address
		}
	}
	return n
}

// endpointID is made up of the two things that an endpoint is between: it has no
// record of its own.
func endpointID(c Container, network string) string {
	sum := sha256.Sum256([]byte(c.Config.ID + " " + c.NetworkIDs[network]))
	return hex.EncodeToString(sum[:])
}

func endpoint(c Container, want state.Endpoint, is state.EndpointStatus) *EndpointSettings {
	ep := &EndpointSettings{
		Address: Address{
			Gateway: is.Gateway, IPAddress: is.IP, IPPrefixLen: is.PrefixLen,
			IPv6Gateway: is.Gateway6, GlobalIPv6Address: is.IP6, GlobalIPv6PrefixLen: is.PrefixLen6,
			MacAddress: is.MAC,
		},
		NetworkID: want.Network, DriverOpts: want.Options, GwPriority: want.Priority, DNSNames: is.Names,
	}
	if want.IP != "" || want.IP6 != "" {
		ep.IPAMConfig = map[string]string{}
		if want.IP != "" {
			ep.IPAMConfig["IPv4Address"] = want.IP
		}
		if want.IP6 != "" {
			ep.IPAMConfig["IPv6Address"] = want.IP6
		}
	}
	if want.Network != state.DefaultNetwork {
		ep.Aliases = append(append([]string{}, want.Aliases...), c.Config.ID[:min(12, len(c.Config.ID))])
	}
	return ep
}

// portKey is "80/tcp".
func portKey(p state.Port) string {
	return strconv.Itoa(int(p.ContainerPort)) + "/" + p.Protocol
}

// portBindings are the ports as they were asked for; an empty host port is
// chosen at start.
func portBindings(ports []state.Port) map[string][]HostPort {
	out := map[string][]HostPort{}
	for _, p := range ports {
		host := ""
		if p.HostPort != 0 {
			host = strconv.Itoa(int(p.HostPort))
		}
		if p.HostPortEnd > p.HostPort {
			host += "-" + strconv.Itoa(int(p.HostPortEnd))
		}
		out[portKey(p)] = append(out[portKey(p)], HostPort{p.HostIP, host})
	}
	return out
}

// boundPorts are the ports as they are; one that is exposed only has none.
func boundPorts(ports []state.Port, expose []string, withExposed bool) map[string][]HostPort {
	out := map[string][]HostPort{}
	if withExposed {
		for _, e := range expose {
			out[e] = nil
		}
	}
	for _, p := range ports {
		ip, host := p.HostIP, ""
		if ip == "" {
			ip = "0.0.0.0"
		}
		if p.HostPort != 0 {
			host = strconv.Itoa(int(p.HostPort))
		}
		out[portKey(p)] = append(out[portKey(p)], HostPort{ip, host})
	}
	return out
}
