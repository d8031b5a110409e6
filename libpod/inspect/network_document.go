package inspect

import (
	"strings"
	"time"

	"skiff/netsetup/define"
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
	Routes           []Route                     `json:"routes,omitempty"`
	IPv6Enabled      bool                        `json:"ipv6_enabled"`
	Internal         bool                        `json:"internal"`
	DNSEnabled       bool                        `json:"dns_enabled"`
	NetworkDNS       []string                    `json:"network_dns_servers,omitempty"`
	Labels           map[string]string           `json:"labels,omitempty"`
	Options          map[string]string           `json:"options,omitempty"`
	IPAMOptions      map[string]string           `json:"ipam_options,omitempty"`
	Containers       map[string]NetworkContainer `json:"containers"`
}

// Subnet is a network's range of addresses.
type Subnet struct {
	Subnet  string      `json:"subnet"`
	Gateway string      `json:"gateway,omitempty"`
	Range   *LeaseRange `json:"lease_range,omitempty"`
}

// LeaseRange is the part of a subnet that addresses are chosen from.
type LeaseRange struct {
	Start string `json:"start_ip,omitempty"`
	End   string `json:"end_ip,omitempty"`
}

// Route is a route that each container of a network gets.
type Route struct {
	Destination string `json:"destination"`
	Gateway     string `json:"gateway,omitempty"`
	Metric      int    `json:"metric,omitempty"`
	Type        string `json:"route_type,omitempty"`
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
		IPv6Enabled: r.Subnet6 != "", Internal: r.Internal, NetworkDNS: r.DNS, DNSEnabled: HasNames(r),
		Labels: r.Labels, Options: r.Options, IPAMOptions: map[string]string{"driver": "host-local"},
		Containers: map[string]NetworkContainer{},
	}
	if r.Driver != state.DriverBridge {
		doc.NetworkInterface = r.Parent
	}
	if r.NoAddresses {
		doc.IPAMOptions["driver"] = "none"
	}
	for _, s := range []Subnet{{r.Subnet, r.Gateway, leaseRange(r.Range)}, {r.Subnet6, r.Gateway6, leaseRange(r.Range6)}} {
		if s.Subnet != "" {
			doc.Subnets = append(doc.Subnets, s)
		}
	}
	for _, t := range r.Routes {
		doc.Routes = append(doc.Routes, Route(t))
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

// HasNames says whether the network's containers have names in it.
func HasNames(r state.NetworkRecord) bool {
	switch r.Driver {
	case state.DriverBridge, state.DriverMacvlan, state.DriverIpvlan:
		return r.Name != state.DefaultNetwork && !r.NoDNS
	}
	return false
}

func leaseRange(s string) *LeaseRange {
	first, last, err := define.ParseRange(s)
	if err != nil {
		return nil
	}
	return &LeaseRange{first.String(), last.String()}
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
	Subnet             string
	IPRange            string            `json:",omitempty"`
	Gateway            string            `json:",omitempty"`
	AuxiliaryAddresses map[string]string `json:",omitempty"`
}

// DockerNetworkContainer is a container in a network.
type DockerNetworkContainer struct {
	Name, EndpointID, MacAddress, IPv4Address, IPv6Address string
}

// NetworkForDocker gives docker's document of a network and the containers in it.
func NetworkForDocker(r state.NetworkRecord, containers []Container) *DockerNetwork {
	doc := &DockerNetwork{
		Name: r.Name, Id: r.ID, Created: r.Created, Scope: "local", Driver: r.Driver,
		EnableIPv4: r.Subnet != "" || r.Name == state.DefaultNetwork, EnableIPv6: r.Subnet6 != "", IPAM: DockerIPAM{Driver: "default"},
		Internal:   r.Internal,
		Attachable: r.Attachable, Containers: map[string]DockerNetworkContainer{}, Options: nonNil(r.Options), Labels: nonNil(r.Labels),
	}
	for i, s := range []DockerSubnet{{r.Subnet, r.Range, r.Gateway, nil}, {r.Subnet6, r.Range6, r.Gateway6, nil}} {
		if s.Subnet != "" {
			s.AuxiliaryAddresses = auxiliary(r.Reserved, i == 1)
			doc.IPAM.Config = append(doc.IPAM.Config, s)
		}
	}
	doc.IPAM.Config = list(doc.IPAM.Config)
	eachEndpoint(r.Name, containers, func(c Container, ep state.EndpointStatus) {
		c.NetworkIDs = map[string]string{r.Name: r.ID}
		n := DockerNetworkContainer{Name: c.Config.Name, EndpointID: endpointID(c, r.Name), MacAddress: ep.MAC}
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

// auxiliary are the reserved addresses of one family.
func auxiliary(reserved map[string]string, six bool) map[string]string {
	var out map[string]string
	for name, a := range reserved {
		if strings.Contains(a, ":") == six {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = a
		}
	}
	return out
}
