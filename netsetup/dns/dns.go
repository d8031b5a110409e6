// Package dns writes the three files by which a container knows names:
// /etc/resolv.conf, /etc/hosts and /etc/hostname. The rules are Docker's, with
// Podman's names for the host added.
//
// Not here: answering name queries.
package dns

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of the host's files.
const maxFile = 1 << 20

// Resolver is what goes into resolv.conf.
type Resolver struct {
	Servers []string
	Search  []string
	Options []string
}

// Parse reads a resolv.conf; what it does not know it leaves out.
func Parse(b []byte) (r Resolver) {
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			r.Servers = append(r.Servers, f[1])
		case "search", "domain":
			r.Search = f[1:]
		case "options":
			r.Options = append(r.Options, f[1:]...)
		}
	}
	return r
}

// Override replaces the parts that the user gave. A search domain of "." means
// none. Docker: --dns, --dns-search, --dns-option.
func (r Resolver) Override(servers, search, options []string) Resolver {
	if len(servers) > 0 {
		r.Servers = servers
	}
	if len(search) > 0 {
		r.Search = nil
		for _, s := range search {
			if s != "." {
				r.Search = append(r.Search, s)
			}
		}
	}
	if len(options) > 0 {
		r.Options = options
	}
	return r
}

// Asking is for a container whose questions one server answers, which then asks the
// others, with what the user gave. That server also knows names without a dot, so they
// are not first looked up in the search domains, unless the user wants that. Docker:
// the file of a container in a network of the user's.
func (r Resolver) Asking(server string, search, options []string) Resolver {
	dots := func(option string) bool { return strings.HasPrefix(option, "ndots:") }
	r.Options = slices.DeleteFunc(slices.Clone(r.Options), dots)
	r = r.Override([]string{server}, search, options)
	if !slices.ContainsFunc(r.Options, dots) {
		r.Options = append([]string{"ndots:0"}, r.Options...)
	}
	return r
}

// Reachable leaves out the servers that a container with a network of its own
// cannot reach: the host's loopback, and IPv6 where it has none. If nothing is
// left the fallback is used.
func (r Resolver) Reachable(ipv6 bool, fallback []string) Resolver {
	var keep []string
	for _, s := range r.Servers {
		a, err := netip.ParseAddr(s)
		if err != nil || a.IsLoopback() || a.Zone() != "" || a.Is6() && !a.Is4In6() && !ipv6 {
			continue
		}
		keep = append(keep, s)
	}
	if len(keep) == 0 {
		keep = fallback
	}
	r.Servers = keep
	return r
}

// Text is the file.
func (r Resolver) Text() []byte {
	var b bytes.Buffer
	if len(r.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.Search, " "))
	}
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(r.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(r.Options, " "))
	}
	return b.Bytes()
}

// PublicServers are Docker's, for a host that has only loopback ones.
func PublicServers() []string { return []string{"8.8.8.8", "8.8.4.4"} }

// HostResolver reads the host's resolv.conf below root (normally "/"). Where it
// only names systemd-resolved's own address, the servers behind that are used.
func HostResolver(root string) ([]byte, error) {
	b, err := readFile(filepath.Join(root, "etc/resolv.conf"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // resolv.conf(5): without the file there is nothing but the defaults
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the host's resolv.conf: %w", err)
	}
	if s := Parse(b).Servers; len(s) == 1 && s[0] == "127.0.0.53" {
		if behind, err := readFile(filepath.Join(root, "run/systemd/resolve/resolv.conf")); err == nil {
			return behind, nil
		}
	}
	return b, nil
}

func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// Entry is one line of /etc/hosts.
type Entry struct {
	Addr  string
	Names []string
}

// localhost are the lines that every hosts file begins with.
const localhost = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// HostsText is the file: base, or the localhost lines where it is nil, then the
// entries, each name once for each address.
func HostsText(base []byte, entries []Entry) []byte {
	if base == nil {
		base = []byte(localhost)
	}
	b := bytes.NewBuffer(bytes.Clone(base))
	if len(base) > 0 && base[len(base)-1] != '\n' {
		b.WriteByte('\n')
	}
	for _, e := range entries {
		var names []string
		for _, n := range e.Names {
			if n != "" && !contains(names, n) {
				names = append(names, n)
			}
		}
		if e.Addr != "" && len(names) > 0 {
			fmt.Fprintf(b, "%s\t%s\n", e.Addr, strings.Join(names, " "))
		}
	}
	return b.Bytes()
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// HostGateway stands for the host in --add-host.
const HostGateway = "host-gateway"

// ParseHost reads NAME:ADDRESS or NAME=ADDRESS; an IPv6 address may stand in
// brackets. Docker: --add-host.
func ParseHost(s string) (Entry, error) {
	i := strings.IndexAny(s, ":=")
	if i <= 0 {
		return Entry{}, fmt.Errorf("invalid host %q: want NAME:ADDRESS", s)
	}
	name, addr := s[:i], s[i+1:]
	if strings.HasPrefix(addr, "[") && strings.HasSuffix(addr, "]") {
		addr = addr[1 : len(addr)-1]
	}
	if strings.ContainsAny(name, " \t\r\n#\x00") {
		return Entry{}, fmt.Errorf("invalid host %q: bad name", s)
	}
	if addr != HostGateway {
		if _, err := netip.ParseAddr(addr); err != nil {
			return Entry{}, fmt.Errorf("invalid host %q: %q is not an IP address", s, addr)
		}
	}
	return Entry{Addr: addr, Names: []string{name}}, nil
}

// CheckWords refuses what would break out of its line in a file.
func CheckWords(what string, words []string) error {
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\r\n#;\x00") {
			return fmt.Errorf("invalid %s %q", what, w)
		}
	}
	return nil
}

// Write fills a file in place, readable for everybody: containers have it
// mounted, and would go on to see the old one if it were replaced.
func Write(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", filepath.Base(path), err)
	}
	return nil
}
