package netsetup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"skiff/netsetup/dns"
	"skiff/netsetup/userport"
	"skiff/state"
)

// WriteFiles writes the container's resolv.conf, hosts and hostname to r.Dir,
// from where they are mounted. A container in another's network shares that
// one's hosts and resolv.conf: only the hostname is its own.
func (m *Manager) WriteFiles(r Request, st state.NetworkStatus) error {
	if err := os.MkdirAll(r.Dir.Run, 0o711); err != nil {
		return err
	}
	name := r.Hostname
	if name == "" { // it has the host's
		name, _ = os.Hostname()
	}
	if err := dns.Write(r.Dir.HostnameFile(), []byte(name+"\n")); err != nil {
		return err
	}
	if strings.HasPrefix(r.Network.Mode, state.ModeContainer) {
		return nil
	}
	resolv, err := resolver(r.Network, st)
	if err != nil {
		return err
	}
	hosts, err := hosts(r, st)
	if err != nil {
		return err
	}
	return errors.Join(dns.Write(r.Dir.ResolvConf(), resolv), dns.Write(r.Dir.Hosts(), hosts))
}

func resolver(n state.Network, st state.NetworkStatus) ([]byte, error) {
	text, err := dns.HostResolver("/")
	if err != nil {
		return nil, err
	}
	overridden := len(n.DNS)+len(n.DNSSearch)+len(n.DNSOptions) > 0
	if n.Mode == state.ModeHost && !overridden {
		text, err := os.ReadFile("/etc/resolv.conf") // as it is, unlike HostResolver's
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return text, err
	}
	host := dns.Parse(text)
	if st.Resolver {
		return host.Asking(Resolver, n.DNSSearch, n.DNSOptions).Text(), nil
	}
	switch n.Mode {
	case state.ModeHost:
	case state.ModePasta:
		// pasta takes what is sent to this address to the host's own server, also
		// where that listens on loopback only.
		host = host.Reachable(false, nil)
		host.Servers = append([]string{userport.DNSForward}, host.Servers...)
	default:
		ipv6 := slices.ContainsFunc(st.Endpoints, func(e state.EndpointStatus) bool { return e.Gateway6 != "" })
		host = host.Reachable(ipv6, dns.PublicServers())
	}
	return host.Override(n.DNS, n.DNSSearch, n.DNSOptions).Text(), nil
}

func hosts(r Request, st state.NetworkStatus) ([]byte, error) {
	base := r.HostsBase
	gateway := ""
	var own []dns.Entry
	switch {
	case r.Network.Mode == state.ModeHost && r.HostsBase != nil:
		gateway = "127.0.0.1"
	case r.Network.Mode == state.ModeHost:
		b, err := os.ReadFile("/etc/hosts")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		base, gateway = append([]byte{}, b...), "127.0.0.1"
	default:
		gateway = hostAddress(r.Network.Mode, st)
		names := []string{r.Hostname, r.Name}
		if r.Domainname != "" {
			names = []string{r.Hostname + "." + r.Domainname, r.Hostname, r.Name}
		}
		for _, e := range st.Endpoints {
			own = append(own, dns.Entry{Addr: e.IP, Names: names}, dns.Entry{Addr: e.IP6, Names: names})
		}
	}
	var extra []dns.Entry
	given := map[string]bool{}
	for _, s := range r.Network.ExtraHosts {
		e, err := dns.ParseHost(s)
		if err != nil {
			return nil, err
		}
		if e.Addr == dns.HostGateway {
			e.Addr = gateway
		}
		given[e.Names[0]] = true
		extra = append(extra, e)
	}
	var names []string
	for _, n := range []string{"host.docker.internal", "host.containers.internal"} {
		if !given[n] {
			names = append(names, n)
		}
	}
	extra = append(extra, dns.Entry{Addr: gateway, Names: names})
	return dns.HostsText(base, append(extra, own...)), nil
}

// hostAddress is what the container calls the host: the bridge's address, which is
// the first gateway that it has on one. Others' gateways are not the host; containers
// on those have the host's own address, which some of them do not reach. Only with
// pasta that is the container's own, too.
func hostAddress(mode string, st state.NetworkStatus) string {
	for _, six := range []bool{false, true} {
		for _, e := range st.Endpoints {
			if e.HostLink == "" && mode == state.ModeBridge {
				continue
			}
			if e.Gateway != "" && !six {
				return e.Gateway
			}
			if e.Gateway6 != "" && six {
				return e.Gateway6
			}
		}
	}
	if mode == state.ModePasta || mode == state.ModeBridge && len(st.Endpoints) == 0 {
		return "" // it has none, or not yet
	}
	return ownAddress()
}

// ownAddress is the address from which the host would call others, or its loopback
// address where it could not. Nothing is sent to find out.
func ownAddress() string {
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // documentation's
		c, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		defer c.Close()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok && !a.IP.IsLoopback() {
			return a.IP.String()
		}
	}
	return "127.0.0.1"
}

// AmendFiles changes the container's hosts and resolv.conf from what they were for
// one status to what they are for another, in place, and leaves alone what the
// container's own programs have written.
func (m *Manager) AmendFiles(r Request, before, after state.NetworkStatus) error {
	was, err := hosts(r, before)
	if err != nil {
		return err
	}
	is, err := hosts(r, after)
	if err != nil {
		return err
	}
	if err := dns.AmendLines(r.Dir.Hosts(), was, is); err != nil {
		return err
	}
	if was, err = resolver(r.Network, before); err != nil {
		return err
	}
	if is, err = resolver(r.Network, after); err != nil {
		return err
	}
	return dns.AmendFile(r.Dir.ResolvConf(), was, is)
}

// validNames refuses names and servers that cannot be written to the files.
func validNames(n state.Network) error {
	for _, s := range n.DNS {
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("invalid DNS server %q: not an IP address", s)
		}
	}
	for _, h := range n.ExtraHosts {
		if _, err := dns.ParseHost(h); err != nil {
			return err
		}
	}
	return errors.Join(dns.CheckWords("DNS search domain", n.DNSSearch), dns.CheckWords("DNS option", n.DNSOptions))
}
