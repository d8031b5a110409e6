// Package define turns what `network create` was asked for into a network's
// record: it reads the flags and the drivers' options in Docker's and Podman's
// spellings, and says what cannot be.
//
// It is pure. Not here: choosing addresses that were left open, and looking at
// the host (netsetup.Manager.Create).
package define

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"skiff/state"
)

// Request is what a user asked for. Docker, Podman: network create.
type Request struct {
	Name   string
	Driver string // empty means bridge
	// Subnets, Gateways and Ranges belong together by what contains what, whatever
	// their order.
	Subnets, Gateways, Ranges []string
	Reserved                  map[string]string // --aux-address
	IPv6, NoIPv4              bool
	Internal, NoDNS           bool
	Attachable                bool
	DNS                       []string
	Routes                    []string
	IPAM                      string // host-local (Docker: default), none
	Interface                 string // of the bridge, or the parent of macvlan and ipvlan
	Options, Labels           map[string]string
}

// CheckName refuses what cannot be a network's name. Docker's rule; names that
// mean something else for --network are taken.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`).MatchString(name) || len(name) > 200 {
		return state.Errorf(state.ErrInvalid, "invalid network name %q: use letters, digits, _ . and -, beginning with a letter or digit", name)
	}
	if slices.Contains([]string{"none", "host", "bridge", "default", "private", "pasta", "container", "ns", "slirp4netns"}, name) {
		return state.Errorf(state.ErrExists, "network with name %s already exists: the name is pre-defined", name)
	}
	return nil
}

// Record works the request out. Addresses that were left open are empty, and so
// are id and time.
func Record(q Request) (r state.NetworkRecord, err error) {
	if err := CheckName(q.Name); err != nil {
		return r, err
	}
	r = state.NetworkRecord{Version: state.NetworkVersion, Name: q.Name, Driver: q.Driver, Internal: q.Internal,
		Attachable: q.Attachable, NoDNS: q.NoDNS, Labels: q.Labels, Options: q.Options, Given: len(q.Subnets) > 0}
	for _, step := range []func(*state.NetworkRecord, Request) error{driver, device, options, addresses, reserved, servers, routes, source, fits} {
		if err := step(&r, q); err != nil {
			return r, err
		}
	}
	return r, nil
}

func driver(r *state.NetworkRecord, _ Request) error {
	switch r.Driver {
	case "":
		r.Driver = state.DriverBridge
	case state.DriverBridge, state.DriverMacvlan, state.DriverIpvlan:
	case "host", "null", "none":
		return state.Errorf(state.ErrInvalid, "only one instance of the %s network is allowed, and it exists from the start", r.Driver)
	default:
		return state.Errorf(state.ErrInvalid, "unsupported driver %s: want bridge, macvlan or ipvlan", r.Driver)
	}
	return nil
}

// device sets the name that --interface-name gives.
func device(r *state.NetworkRecord, q Request) error {
	if q.Interface == "" {
		return nil
	}
	if err := CheckDevice(q.Interface); err != nil {
		return err
	}
	if r.Driver == state.DriverBridge {
		r.Bridge = q.Interface
	} else {
		r.Parent = q.Interface
	}
	return nil
}

// CheckDevice refuses what cannot be the name of a network device; the kernel's
// rule (dev_valid_name) but for the colon, which means an alias.
func CheckDevice(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n") || strings.ContainsFunc(name, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return state.Errorf(state.ErrInvalid, "invalid device name %q: at most 15 letters, without / and :", name)
	}
	return nil
}

// source is where addresses come from.
func source(r *state.NetworkRecord, q Request) error {
	switch q.IPAM {
	case "", "default", "host-local":
		return nil
	case "none", "null":
		if r.Given {
			return state.Errorf(state.ErrInvalid, "--ipam-driver none and --subnet exclude each other")
		}
		r.NoAddresses = true
		return nil
	case "dhcp":
		return state.Errorf(state.ErrInvalid, "--ipam-driver dhcp is not supported: give a --subnet with an --ip-range that the network's DHCP server leaves alone")
	}
	return state.Errorf(state.ErrInvalid, "unsupported ipam driver %q: want host-local or none", q.IPAM)
}

func servers(r *state.NetworkRecord, q Request) error {
	if len(q.DNS) > 0 && r.NoDNS {
		return state.Errorf(state.ErrInvalid, "--dns and --disable-dns exclude each other")
	}
	r.DNS = nil
	return AddServers(r, q.DNS)
}

// AddServers adds name servers that the network does not have yet.
func AddServers(r *state.NetworkRecord, servers []string) error {
	for _, s := range servers {
		t, err := server(s)
		if err != nil {
			return err
		}
		if !slices.Contains(r.DNS, t) {
			r.DNS = append(r.DNS, t)
		}
	}
	return nil
}

// DropServers takes away name servers, each of which the network has to have.
func DropServers(r *state.NetworkRecord, servers []string) error {
	for _, s := range servers {
		t, err := server(s)
		if err != nil {
			return err
		}
		i := slices.Index(r.DNS, t)
		if i < 0 {
			return state.Errorf(state.ErrInvalid, "network %q has no name server %s", r.Name, t)
		}
		r.DNS = slices.Delete(r.DNS, i, i+1)
	}
	return nil
}

func server(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", state.Errorf(state.ErrInvalid, "invalid DNS server %q: not an IP address", s)
	}
	return a.String(), nil
}

// fits refuses what the driver cannot do.
func fits(r *state.NetworkRecord, _ Request) error {
	if r.Driver == state.DriverBridge {
		if r.Mode == Unmanaged && r.Bridge == "" {
			return state.Errorf(state.ErrInvalid, "a network with mode=unmanaged needs the name of a bridge: --interface-name NAME")
		}
		return nil
	}
	for what, set := range map[string]bool{"vlan": r.VLAN != 0, "isolate": r.Open, "enable_icc": r.Apart,
		"enable_ip_masquerade": r.NoMasquerade, "host_binding_ipv4": r.HostIP != ""} {
		if set {
			return state.Errorf(state.ErrInvalid, "the option %s is for bridge networks, not for %s", what, r.Driver)
		}
	}
	if r.Driver == state.DriverMacvlan && r.Mode == "passthru" && r.Parent == "" {
		return state.Errorf(state.ErrInvalid, "a macvlan network with mode=passthru needs a parent: -o parent=DEVICE")
	}
	return nil
}

func invalidOption(key, value, want string) error {
	return state.Errorf(state.ErrInvalid, "invalid option %s=%s: want %s", key, value, want)
}
