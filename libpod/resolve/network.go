package resolve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

// network decides the mode and puts --ip and its like where they belong.
func (b *builder) network() error {
	n := &b.cfg.Network
	b.defaultMode(n)
	if err := b.joined(n); err != nil {
		return err
	}
	if err := b.endpoint(n); err != nil {
		return err
	}
	if err := b.links(n); err != nil {
		return err
	}
	conf := b.in.Defaults.Containers
	if own := n.Mode == state.ModeBridge || n.Mode == state.ModePasta; own {
		ports := onAddresses(n.Ports, b.in.Defaults.Network.DefaultHostIPs)
		if n.Ports, n.Expose = distinct(ports), b.exposed(n); len(n.Ports) > 0 {
			if err := clash(n.Ports); err != nil {
				return err
			}
		}
	} else {
		// Nothing of ours is between the container and such a network.
		n.Ports, n.PublishAll = nil, false
		n.Expose = b.exposed(n)
	}
	if len(n.DNS) == 0 {
		n.DNS = conf.DNSServers
	}
	if len(n.DNSSearch) == 0 {
		n.DNSSearch = conf.DNSSearches
	}
	if len(n.DNSOptions) == 0 {
		n.DNSOptions = conf.DNSOptions
	}
	host := "host.containers.internal:"
	if conf.HostIP != "" && n.Mode != state.ModeHost && !strings.HasPrefix(n.Mode, state.ModeContainer) && !b.cfg.Extra().NoHosts && !conf.NoHosts &&
		!slices.ContainsFunc(n.ExtraHosts, func(h string) bool { return strings.HasPrefix(h, host) }) {
		n.ExtraHosts = append(n.ExtraHosts, host+conf.HostIP)
	}
	return nil
}

func (b *builder) defaultMode(n *state.Network) {
	if n.Mode == "" {
		switch conf := b.in.Defaults.Containers.NetNS; conf {
		case state.ModeNone, state.ModeHost, state.ModeBridge, state.ModePasta:
			n.Mode = conf
		}
	}
	if n.Mode == "" {
		n.Mode = state.ModeBridge
		if b.in.Rootless {
			n.Mode = state.ModePasta
		}
	}
	if n.Mode == state.ModeBridge && len(n.Endpoints) == 0 {
		n.Endpoints = []state.Endpoint{{Network: state.DefaultNetwork}}
	}
}

// joined resolves container:NAME, which excludes all that a network of the
// container's own would have.
func (b *builder) joined(n *state.Network) error {
	ref, ok := strings.CutPrefix(n.Mode, state.ModeContainer)
	if !ok {
		return nil
	}
	for _, c := range []struct {
		set  bool
		what string
	}{
		{len(n.Ports) > 0 || n.PublishAll, "publishing ports"},
		{len(n.Expose) > 0, "exposing ports"},
		{b.in.Given.Hostname, "--hostname"},
		{len(n.DNS)+len(n.DNSSearch)+len(n.DNSOptions) > 0, "--dns"},
		{len(n.ExtraHosts) > 0, "--add-host"},
	} {
		if c.set {
			return conflict(c.what, "a network of the kind container:NAME")
		}
	}
	other, err := b.other("--network", ref)
	if err != nil {
		return err
	}
	n.Mode = state.ModeContainer + other.ID
	return nil
}

// links finds the containers that --link names. In networks with names a link is one
// that only this container knows.
func (b *builder) links(n *state.Network) error {
	asked := b.cfg.Extra().Links
	if len(asked) == 0 {
		return nil
	}
	if n.Mode != state.ModeBridge {
		return conflict("--link", fmt.Sprintf("the network %q", n.Mode))
	}
	var out []state.Link
	for _, l := range asked {
		other, err := b.other("--link", l.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(out, func(o state.Link) bool { return o.Alias == l.Alias }) {
			return invalid("cannot use the link name %q twice", l.Alias)
		}
		out = append(out, state.Link{ID: other.ID, Name: other.Name, Alias: l.Alias})
	}
	b.cfg.Extras.Links = out // a copy of the caller's, see extras
	return nil
}

// endpoint applies --ip, --ip6, --mac-address and --network-alias.
func (b *builder) endpoint(n *state.Network) error {
	g := b.in.Given
	for _, o := range []struct{ flag, value string }{
		{"--ip", g.IP}, {"--ip6", g.IP6}, {"--mac-address", g.MAC}, {"--network-alias", strings.Join(g.Aliases, ",")},
	} {
		if o.value == "" {
			continue
		}
		if n.Mode != state.ModeBridge {
			mode, _, _ := strings.Cut(n.Mode, ":")
			return conflict(o.flag, fmt.Sprintf("the network %q", mode))
		}
	}
	if n.Mode != state.ModeBridge {
		return nil
	}
	n.Endpoints = slices.Clone(n.Endpoints)
	ep := &n.Endpoints[0] // of several networks the first, as with Docker
	for _, o := range []struct{ flag, name, given, own string }{
		{"--ip", "ip", g.IP, ep.IP}, {"--ip6", "ip6", g.IP6, ep.IP6}, {"--mac-address", "mac-address", g.MAC, ep.MAC},
	} {
		if o.given != "" && o.own != "" {
			return invalid("conflicting options: cannot specify both %s and per-network %s", o.flag, o.name)
		}
	}
	ep.IP, ep.IP6, ep.MAC = firstOf(g.IP, ep.IP), firstOf(g.IP6, ep.IP6), firstOf(g.MAC, ep.MAC)
	ep.Aliases = append(slices.Clip(ep.Aliases), g.Aliases...)
	for _, e := range n.Endpoints {
		if len(e.Aliases) > 0 && e.Network == state.DefaultNetwork {
			return invalid("network-scoped alias is supported only for containers in user defined networks")
		}
	}
	return nil
}

// exposed are the image's, the user's and the published ports, sorted.
func (b *builder) exposed(n *state.Network) []string {
	out := append(slices.Clone(b.img.ExposedPorts), n.Expose...)
	for _, p := range n.Ports {
		out = append(out, strconv.Itoa(int(p.ContainerPort))+"/"+p.Protocol)
	}
	for i, s := range out {
		if !strings.Contains(s, "/") {
			out[i] = s + "/tcp"
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		pa, ka, _ := strings.Cut(a, "/")
		pb, kb, _ := strings.Cut(b, "/")
		na, _ := strconv.Atoi(pa)
		nb, _ := strconv.Atoi(pb)
		if na != nb {
			return na - nb
		}
		return strings.Compare(ka, kb)
	})
	return slices.Compact(out)
}

// distinct drops ports that are given twice in the same way.
func distinct(ports []state.Port) []state.Port {
	var out []state.Port
	for _, p := range ports {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// onAddresses publishes ports without address on each of the addresses; with
// none, on all of the host's. containers.conf: network.default_host_ips.
func onAddresses(ports []state.Port, ips []string) []state.Port {
	if len(ips) == 0 {
		return ports
	}
	var out []state.Port
	for _, p := range ports {
		if p.HostIP != "" {
			out = append(out, p)
			continue
		}
		for _, ip := range ips {
			p.HostIP = ip
			out = append(out, p)
		}
	}
	return out
}

// clash refuses two uses of one host port.
func clash(ports []state.Port) error {
	for i, p := range ports {
		if p.HostPort == 0 || p.HostPortEnd != 0 {
			continue
		}
		for _, q := range ports[:i] {
			same := q.HostPort == p.HostPort && q.HostPortEnd == 0 && q.Protocol == p.Protocol
			if same && (q.HostIP == p.HostIP || anyAddress(q.HostIP) && anyAddress(p.HostIP)) {
				return invalid("cannot publish host port %d/%s twice", p.HostPort, p.Protocol)
			}
		}
	}
	return nil
}

func anyAddress(ip string) bool { return ip == "" || ip == "0.0.0.0" }

// hostname is the id's beginning where nothing else is said. It stays empty
// where the container has the host's name.
func (b *builder) hostname() error {
	c := b.cfg
	if c.Hostname != "" || c.Network.Mode == state.ModeHost || c.Namespaces.Uts == "host" || strings.HasPrefix(c.Namespaces.Uts, "ns:") {
		return nil
	}
	if ref, ok := strings.CutPrefix(firstOf(c.Namespaces.Uts, c.Network.Mode), state.ModeContainer); ok {
		other, err := b.other("--network", ref)
		if err != nil {
			return err
		}
		c.Hostname = other.Hostname
		return nil
	}
	if c.Hostname = c.ID[:min(12, len(c.ID))]; b.in.Defaults.Containers.NameAsHostname {
		c.Hostname = firstOf(hostnameOf(c.Name), c.Hostname)
	}
	return nil
}

// hostnameOf is a container's name without what no host name may have, as far as the
// kernel takes it.
func hostnameOf(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, name)
	return strings.Trim(name[:min(63, len(name))], "-.")
}
