package state

// Modes of a container's network. ModeContainer is a prefix, followed by an id, and
// ModePath one, followed by the path of a namespace.
const (
	ModeNone      = "none"
	ModeHost      = "host"
	ModeBridge    = "bridge"
	ModePasta     = "pasta"
	ModeContainer = "container:"
	ModePath      = "ns:"
)

// DefaultNetwork is the name of the network that exists from the start.
const DefaultNetwork = "bridge"

// Network is what was asked of a container's network.
type Network struct {
	// Mode is none, host, bridge, pasta, container:<id> or ns:<path>. bridge means that
	// the container is an endpoint of the networks in Endpoints, whatever their drivers.
	Mode string `json:"mode"`
	// Endpoints are the networks to join, in this order.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Ports are the published ports. A HostPort of 0 is chosen at each start.
	Ports []Port `json:"ports,omitempty"`
	// Expose are the ports that the image or the user declared, as "80/tcp".
	Expose []string `json:"expose,omitempty"`
	// PublishAll publishes every exposed port on a random host port. Docker: -P.
	PublishAll bool `json:"publishAll,omitempty"`
	// DNS, DNSSearch and DNSOptions go into resolv.conf; empty means the host's.
	DNS        []string `json:"dns,omitempty"`
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
	// ExtraHosts are "name:address" lines for /etc/hosts; the address may be
	// host-gateway. Docker: --add-host.
	ExtraHosts []string `json:"extraHosts,omitempty"`
	// PastaOptions are passed on to pasta. Podman: --network pasta:OPTIONS.
	PastaOptions []string `json:"pastaOptions,omitempty"`
}

// Endpoint is a container's place in one network.
type Endpoint struct {
	Network string   `json:"network"`
	IP      string   `json:"ip,omitempty"`  // wanted IPv4 address. Docker: --ip
	IP6     string   `json:"ip6,omitempty"` // wanted IPv6 address. Docker: --ip6
	MAC     string   `json:"mac,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
	// Interface is the wanted name in the container, HostInterface that of the
	// other end. Podman: interface_name, host_interface_name.
	Interface     string `json:"interface,omitempty"`
	HostInterface string `json:"hostInterface,omitempty"`
	// Priority chooses the default route: the highest one. Docker: gw-priority
	Priority int `json:"priority,omitempty"`
	// Sysctls are the interface's, such as net.ipv4.conf.IFNAME.log_martians=1.
	// Docker: driver-opt com.docker.network.endpoint.sysctls
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// Options are the driver's, as the user wrote them. Docker: --driver-opt
	Options map[string]string `json:"options,omitempty"`
}

// Port is one published port. Docker: -p [IP:][HOST:]CONTAINER[/PROTO].
type Port struct {
	// HostIP is the address to listen on; empty means all of the host's.
	HostIP string `json:"hostIp,omitempty"`
	// HostPort is 0 for a free port chosen at start.
	HostPort uint16 `json:"hostPort,omitempty"`
	// HostPortEnd is the last of a range to choose a free port from (docker's
	// -p 8000-8010:80); 0 where HostPort is exact.
	HostPortEnd   uint16 `json:"hostPortEnd,omitempty"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp, udp or sctp
}

// NetworkStatus is the network that a running container has.
type NetworkStatus struct {
	// SandboxKey is the path of the network namespace.
	SandboxKey string           `json:"sandboxKey,omitempty"`
	Endpoints  []EndpointStatus `json:"endpoints,omitempty"`
	// Resolver says that the container's questions for names are answered at
	// 127.0.0.11.
	Resolver bool `json:"resolver,omitempty"`
	// Servers are asked, from the container's namespace, for what is no name of its
	// networks; without any the host's are, from the host, unless Closed: then all
	// of the networks are internal.
	Servers []string `json:"servers,omitempty"`
	Closed  bool     `json:"closed,omitempty"`
	// Links are names by which this container alone finds others, with their ids.
	// Docker: --link
	Links map[string]string `json:"links,omitempty"`
	// Ports are the published ports with the host ports that were chosen.
	Ports []Port `json:"ports,omitempty"`
}

// EndpointStatus is a container's address in one network.
type EndpointStatus struct {
	Network    string `json:"network"`
	Interface  string `json:"interface"`    // in the container, such as eth0
	HostLink   string `json:"hostLink"`     // the other end of the veth pair
	IP         string `json:"ip,omitempty"` // without prefix length
	PrefixLen  int    `json:"prefixLen,omitempty"`
	Gateway    string `json:"gateway,omitempty"`
	IP6        string `json:"ip6,omitempty"`
	PrefixLen6 int    `json:"prefixLen6,omitempty"`
	Gateway6   string `json:"gateway6,omitempty"`
	MAC        string `json:"mac,omitempty"`
	// Names are those that other containers of the network find it by.
	Names []string `json:"names,omitempty"`
}
