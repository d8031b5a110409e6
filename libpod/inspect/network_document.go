package inspect

import (
	"time"

	"skiff/state"
)

// NetworkDocument is podman's document of a network.
type NetworkDocument struct {
	Name             string                      `json:"name"`
	Id               string                      `json:"id"`
	Driver           string                      `json:"driver"`
	NetworkInterface string                      `json:"network_interface,omitempty"`
	Created          time.Time                   `json:"created"`
	Subnets          []Subnet                    `json:"subnets,omitempty"`
	IPv6Enabled      bool                        `json:"ipv6_enabled"`
	Internal         bool                        `json:"internal"`
	DNSEnabled       bool                        `json:"dns_enabled"`
	Labels           map[string]string           `json:"labels,omitempty"`
	Options          map[string]string           `json:"options,omitempty"`
	IPAMOptions      map[string]string           `json:"ipam_options,omitempty"`
	Containers       map[string]NetworkContainer `json:"containers"`
}

// Subnet is a network's range of addresses.
type Subnet struct {
	Subnet  string `json:"subnet"`
	Gateway string `json:"gateway,omitempty"`
}

// NetworkContainer is a container in a network.
type NetworkContainer struct {
	Name       string                        `json:"name"`
	Interfaces map[string]ContainerAddresses `json:"interfaces"`
}

// ContainerAddresses are those of one interface.
type ContainerAddresses struct {
	Subnets    []ContainerAddress `json:"subnets"`
	MacAddress string             `json:"mac_address"`
}

// ContainerAddress is an address with its prefix length.
type ContainerAddress struct {
	IPNet   string `json:"ipnet"`
	Gateway string `json:"gateway,omitempty"`
}

// Network gives podman's document of a network and the containers in it.
func Network(r state.NetworkRecord, containers []Container) *NetworkDocument {
	doc := &NetworkDocument{
		Name: r.Name, Id: r.ID, Driver: r.Driver, NetworkInterface: r.Bridge, Created: r.Created,
		IPv6Enabled: r.Subnet6 != "", DNSEnabled: r.Driver == "bridge" && r.Name != state.DefaultNetwork,
		Labels: r.Labels, Options: r.Options, IPAMOptions: map[string]string{"driver": "host-local"},
		Containers: map[string]NetworkContainer{},
	}
	for _, s := range []Subnet{{r.Subnet, r.Gateway}, {r.Subnet6, r.Gateway6}} {
		if s.Subnet != "" {
			doc.Subnets = append(doc.Subnets, s)
		}
	}
	eachEndpoint(r.Name, containers, func(c Container, ep state.EndpointStatus) {
		a := ContainerAddresses{MacAddress: ep.MAC}
		if ep.IP != "" {
			a.Subnets = append(a.Subnets, ContainerAddress{ep.IP + "/" + itoa(ep.PrefixLen), ep.Gateway})
		}
		if ep.IP6 != "" {
			a.Subnets = append(a.Subnets, ContainerAddress{ep.IP6 + "/" + itoa(ep.PrefixLen6), ep.Gateway6})
		}
		doc.Containers[c.Config.ID] = NetworkContainer{c.Config.Name, map[string]ContainerAddresses{ep.Interface: a}}
	})
	return doc
}

func eachEndpoint(network string, containers []Container, use func(Container, state.EndpointStatus)) {
	for _, c := range containers {
		if !c.Status.Phase.Active() {
			continue
		}
		for _, ep := range c.Status.Network.Endpoints {
			if ep.Network == network {
				use(c, ep)
			}
		}
	}
}

// DockerNetwork is docker's document of a network.
type DockerNetwork struct {
	Name       string
	Id         string
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       DockerIPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom struct{ Network string }
	ConfigOnly bool
	Containers map[string]DockerNetworkContainer
	Options    map[string]string
	Labels     map[string]string
}

// DockerIPAM says where a network's addresses come from.
type DockerIPAM struct {
	Driver  string
	Options map[string]string
	Config  []DockerSubnet
}

// DockerSubnet is a network's range of addresses.
type DockerSubnet struct {
	Subnet  string
	Gateway string `json:",omitempty"`
}

// DockerNetworkContainer is a container in a network.
type DockerNetworkContainer struct {
	Name, EndpointID, MacAddress, IPv4Address, IPv6Address string
}

// NetworkForDocker gives docker's document of a network and the containers in it.
func NetworkForDocker(r state.NetworkRecord, containers []Container) *DockerNetwork {
	doc := &DockerNetwork{
		Name: r.Name, Id: r.ID, Created: r.Created, Scope: "local", Driver: r.Driver,
		EnableIPv4: true, EnableIPv6: r.Subnet6 != "", IPAM: DockerIPAM{Driver: "default"},
		Containers: map[string]DockerNetworkContainer{}, Options: nonNil(r.Options), Labels: nonNil(r.Labels),
	}
	for _, s := range []DockerSubnet{{r.Subnet, r.Gateway}, {r.Subnet6, r.Gateway6}} {
		if s.Subnet != "" {
			doc.IPAM.Config = append(doc.IPAM.Config, s)
		}
	}
	doc.IPAM.Config = list(doc.IPAM.Config)
	eachEndpoint(r.Name, containers, func(c Container, ep state.EndpointStatus) {
		n := DockerNetworkContainer{Name: c.Config.Name, MacAddress: ep.MAC}
		if ep.IP != "" {
			n.IPv4Address = ep.IP + "/" + itoa(ep.PrefixLen)
		}
		if ep.IP6 != "" {
			n.IPv6Address = ep.IP6 + "/" + itoa(ep.PrefixLen6)
		}
		doc.Containers[c.Config.ID] = n
	})
	return doc
}
