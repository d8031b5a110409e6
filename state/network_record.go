package state

import "time"

// NetworkVersion is the version that this skiff writes into networks/<name>.json.
const NetworkVersion = 1

// Drivers of networks.
const (
	DriverBridge  = "bridge"
	DriverMacvlan = "macvlan"
	DriverIpvlan  = "ipvlan"
)

// NetworkRecord is stored as networks/<name>.json: a network of the user's, or
// the default one with the addresses that were chosen for it.
type NetworkRecord struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	ID      string    `json:"id"`     // 64 lower-case hex digits
	Driver  string    `json:"driver"` // one of the Driver constants
	Created time.Time `json:"created"`
	// Bridge is the bridge device's name; empty for other drivers.
	Bridge string `json:"bridge,omitempty"`
	// Parent is the host's device that macvlan and ipvlan sit on, such as eth0 or
	// eth0.30, which is made with the VLAN id 30 where it is missing.
	Parent string `json:"parent,omitempty"`
	// Mode is the driver's: bridge, private, vepa or passthru for macvlan, l2, l3 or
	// l3s for ipvlan; for a bridge unmanaged, where the device is the host's own and
	// gets neither address nor rules. Podman: --opt mode.
	Mode string `json:"mode,omitempty"`
	// Subnet and Gateway are IPv4, such as 10.87.0.0/16 and 10.87.0.1. Both are empty
	// without IPv4, Gateway alone where the network has none.
	Subnet  string `json:"subnet,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	// Range is the part of Subnet that addresses are chosen from. Docker: --ip-range
	Range string `json:"range,omitempty"`
	// Subnet6, Gateway6 and Range6 are used where the host has IPv6.
	Subnet6  string `json:"subnet6,omitempty"`
	Gateway6 string `json:"gateway6,omitempty"`
	Range6   string `json:"range6,omitempty"`
	// Reserved are addresses of others in the subnets, by name. Docker: --aux-address
	Reserved map[string]string `json:"reserved,omitempty"`
	// Given says that the user gave the subnets: containers may ask for addresses.
	Given bool `json:"given,omitempty"`
	// NoAddresses leaves the devices without addresses. --ipam-driver none
	NoAddresses bool `json:"noAddresses,omitempty"`
	// Internal keeps the network from everything outside. Docker: --internal
	Internal bool `json:"internal,omitempty"`
	// Attachable is kept for Docker's documents and means nothing more.
	Attachable bool `json:"attachable,omitempty"`
	// NoDNS: containers have no names in it. Podman: --disable-dns
	NoDNS bool `json:"noDns,omitempty"`
	// DNS are the name servers for what is no name of the network's. Podman: --dns
	DNS    []string       `json:"dns,omitempty"`
	Routes []NetworkRoute `json:"routes,omitempty"`
	// MTU of the devices, in bytes; 0 leaves the kernel's. --opt mtu
	MTU int `json:"mtu,omitempty"`
	// VLAN is the VLAN id of the container's port on the bridge; 0 for none. Podman:
	// --opt vlan
	VLAN int `json:"vlan,omitempty"`
	// InterfacePrefix names the containers' devices; empty means eth. Docker: --opt
	// com.docker.network.container_iface_prefix
	InterfacePrefix string `json:"interfacePrefix,omitempty"`
	// HostIP is where ports are published that name no address. Docker: --opt
	// com.docker.network.bridge.host_binding_ipv4
	HostIP string `json:"hostIp,omitempty"`
	// NoMasquerade keeps the containers' addresses on the way out. Docker: --opt
	// com.docker.network.bridge.enable_ip_masquerade=false
	NoMasquerade bool `json:"noMasquerade,omitempty"`
	// Apart keeps the network's containers from each other. Docker: --opt
	// com.docker.network.bridge.enable_icc=false
	Apart bool `json:"apart,omitempty"`
	// Open lets the network and others with Open reach each other. --opt
	// isolate=false
	Open bool `json:"open,omitempty"`
	// NoDefaultRoute: the network is no way out. Podman: --opt no_default_route
	NoDefaultRoute bool `json:"noDefaultRoute,omitempty"`
	// NoGateway leaves the bridge without addresses. Docker: --opt
	// com.docker.network.bridge.gateway_mode_ipv4=isolated
	NoGateway bool `json:"noGateway,omitempty"`
	// Metric of the default route; 0 leaves the kernel's. Podman: --opt metric
	Metric int               `json:"metric,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Options are the driver's, as the user wrote them.
	Options map[string]string `json:"options,omitempty"`
}

// NetworkRoute is a route that each container of a network gets. Podman: --route
type NetworkRoute struct {
	Destination string `json:"destination"`
	Gateway     string `json:"gateway,omitempty"`
	Metric      int    `json:"metric,omitempty"`
	// Type is empty for a route to the gateway, or blackhole, unreachable, prohibit.
	Type string `json:"type,omitempty"`
}
