package parse

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"skiff/netsetup/define"
	"skiff/state"
)

// errModes is Docker's message.
var errModes = errors.New("conflicting options: cannot attach both user-defined and non-user-defined network-modes")

// Network reads one --network value into n: a mode (none, host, bridge, pasta,
// container:NAME, ns:PATH), the name of a network, or either with options after a colon
// (Podman: bridge:ip=…,mac=…) or as Docker's name=NET,ip=…,alias=….
func Network(n *state.Network, s string) error {
	if err := network(n, s); errors.Is(err, errModes) {
		return err
	} else if err != nil {
		return fmt.Errorf("invalid network %q: %w", s, err)
	}
	return nil
}

func network(n *state.Network, s string) error {
	name, opts, _ := strings.Cut(s, ":")
	if strings.HasPrefix(s, "name=") || strings.Contains(s, ",name=") {
		name, opts = "", s
	}
	mode, err := networkMode(name, opts)
	if err != nil {
		return err
	}
	if n.Mode != "" && (n.Mode != state.ModeBridge || mode != state.ModeBridge) {
		return errModes
	}
	n.Mode = mode
	switch {
	case mode == state.ModePasta:
		if opts != "" {
			n.PastaOptions = strings.Split(opts, ",")
		}
		return nil
	case mode != state.ModeBridge:
		return nil
	}
	ep := state.Endpoint{Network: name}
	if err := endpointOptions(&ep, opts); err != nil {
		return err
	}
	if ep.Network == "default" {
		ep.Network = state.DefaultNetwork
	}
	if !isName(ep.Network) {
		return fmt.Errorf("%q is not a network's name", ep.Network)
	}
	for _, e := range n.Endpoints {
		if e.Network == ep.Network {
			return fmt.Errorf("network %q is specified multiple times", ep.Network)
		}
	}
	n.Endpoints = append(n.Endpoints, ep)
	return nil
}

func networkMode(name, opts string) (string, error) {
	switch name {
	case state.ModeNone, state.ModeHost:
		if opts != "" {
			return "", fmt.Errorf("%s takes no options", name)
		}
		return name, nil
	case state.ModePasta:
		return name, nil
	case "container":
		if opts == "" {
			return "", fmt.Errorf("want container:NAME")
		}
		return state.ModeContainer + opts, nil
	case "private":
		return "", nil
	case "ns":
		if !filepath.IsAbs(opts) || strings.ContainsRune(opts, 0) {
			return "", fmt.Errorf("want ns:PATH with the absolute path of a network namespace")
		}
		return state.ModePath + filepath.Clean(opts), nil
	case "slirp4netns":
		return "", fmt.Errorf("%s is not supported: want bridge, host, none, pasta, container:NAME, ns:PATH or a network's name", name)
	}
	return state.ModeBridge, nil
}

func endpointOptions(ep *state.Endpoint, opts string) error {
	if opts == "" {
		return nil
	}
	fields, err := csv.NewReader(strings.NewReader(opts)).Read()
	if err != nil {
		return fmt.Errorf("want key=value fields with commas between: %v", err)
	}
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok || v == "" {
			return fmt.Errorf("the option %q has no value", f)
		}
		if err := EndpointOption(ep, k, v); err != nil {
			return err
		}
	}
	return nil
}

// EndpointOption reads one option of --network into ep, in Docker's or Podman's
// name for it.
func EndpointOption(ep *state.Endpoint, k, v string) (err error) {
	switch k {
	case "name":
		ep.Network = v
	case "ip":
		ep.IP, err = IP4(v)
	case "ip6":
		ep.IP6, err = IP6(v)
	case "mac", "mac-address":
		ep.MAC, err = MAC(v)
	case "alias":
		if v, err = Hostname("network alias", v); err == nil {
			ep.Aliases = append(ep.Aliases, v)
		}
	case "interface_name":
		ep.Interface, err = device(v)
	case "host_interface_name":
		ep.HostInterface, err = device(v)
	case "gw-priority":
		if ep.Priority, err = strconv.Atoi(v); err != nil {
			err = fmt.Errorf("invalid gateway priority %q: want a number", v)
		}
	case "driver-opt":
		err = driverOption(ep, v)
	case "link-local-ip":
		err = fmt.Errorf("link-local-ip is not supported: the kernel gives link-local addresses")
	default:
		err = fmt.Errorf("unknown option %q: want ip, ip6, mac, alias, interface_name, host_interface_name, gw-priority or driver-opt", k)
	}
	return err
}

// device checks a name for a network interface of a container's.
func device(s string) (string, error) {
	if s == "lo" {
		return "", fmt.Errorf("invalid device name %q: each container has one", s)
	}
	return s, define.CheckDevice(s)
}

// driverOption reads KEY=VALUE. Docker: --driver-opt.
func driverOption(ep *state.Endpoint, s string) (err error) {
	k, v, ok := strings.Cut(s, "=")
	if !ok || k == "" {
		return fmt.Errorf("invalid driver option %q: want KEY=VALUE", s)
	}
	switch k {
	case "com.docker.network.endpoint.ifname":
		if ep.Interface, err = device(v); err != nil {
			return err
		}
	case "com.docker.network.endpoint.sysctls":
		for _, one := range strings.Split(v, ",") {
			name, value, ok := strings.Cut(one, "=")
			if !ok || strings.Count(name, ".") != 4 || !strings.Contains(name, ".IFNAME.") {
				return fmt.Errorf("invalid sysctl of an interface %q: want one such as net.ipv4.conf.IFNAME.log_martians=1", one)
			}
			if ep.Sysctls == nil {
				ep.Sysctls = map[string]string{}
			}
			ep.Sysctls[name] = value
		}
	}
	if ep.Options == nil {
		ep.Options = map[string]string{}
	}
	ep.Options[k] = v
	return nil
}

// IP4 checks an IPv4 address. Docker: --ip.
func IP4(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return "", fmt.Errorf("invalid IPv4 address %q", s)
	}
	return a.String(), nil
}

// IP6 checks an IPv6 address. Docker: --ip6.
func IP6(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return "", fmt.Errorf("invalid IPv6 address %q", s)
	}
	return a.String(), nil
}

// IP checks an address of either family. Docker: --dns.
func IP(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", fmt.Errorf("invalid IP address %q", s)
	}
	return a.String(), nil
}

// MAC checks an Ethernet address that may be given to one interface.
// Docker: --mac-address.
func MAC(s string) (string, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return "", fmt.Errorf("invalid MAC address %q: want a form such as 02:42:ac:11:00:02", s)
	}
	if hw[0]&1 != 0 {
		return "", fmt.Errorf("invalid MAC address %q: it is a multicast address", s)
	}
	return hw.String(), nil
}

// ExtraHost checks NAME:ADDRESS or NAME=ADDRESS; the address may be
// host-gateway and may stand in brackets. Names may be joined by semicolons.
// Docker: --add-host.
func ExtraHost(s string) ([]string, error) {
	sep := strings.IndexAny(s, ":=")
	if eq := strings.IndexByte(s, '='); eq >= 0 {
		sep = eq // an IPv6 address after it has colons of its own
	}
	if sep <= 0 {
		return nil, fmt.Errorf("invalid host %q: want NAME:ADDRESS", s)
	}
	addr := s[sep+1:]
	if addr != "host-gateway" {
		a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]"))
		if err != nil {
			return nil, fmt.Errorf("invalid host %q: %q is not an IP address", s, addr)
		}
		addr = a.String()
	}
	var out []string
	for _, name := range strings.Split(s[:sep], ";") {
		if _, err := Hostname("host name", name); err != nil {
			return nil, fmt.Errorf("invalid host %q: %w", s, err)
		}
		out = append(out, name+":"+addr)
	}
	return out, nil
}

// DNSSearch checks a search domain; a dot alone means none. Docker: --dns-search.
func DNSSearch(s string) (string, error) {
	if s == "." {
		return s, nil
	}
	return Hostname("DNS search domain", strings.TrimSuffix(s, "."))
}

// DNSOption checks an option of resolv.conf(5). Docker: --dns-option.
func DNSOption(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, " \t\n\r\x00#;") {
		return "", fmt.Errorf("invalid DNS option %q: want one word such as ndots:2", s)
	}
	return s, nil
}

// Link reads NAME[:ALIAS]; the container is looked up later. Docker: --link.
func Link(s string) (l state.Link, err error) {
	name, alias, given := strings.Cut(strings.TrimPrefix(s, "/"), ":")
	if !given {
		alias = name
	}
	if name == "" || alias == "" {
		return l, fmt.Errorf("invalid link %q: want NAME[:ALIAS]", s)
	}
	if alias, err = Hostname("link", alias); err != nil && given {
		return l, err
	}
	if err != nil {
		alias = name // it is a container's name then, which /etc/hosts can hold
	}
	return state.Link{Name: name, Alias: alias}, nil
}
