package netsetup

import (
	"errors"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/netsetup/firewall"
	"skiff/netsetup/link"
	"skiff/state"
	"skiff/state/names"
)

// Resolver is the address at which a container asks for names.
const Resolver = "127.0.0.11"

// Named says whether the containers of a network know each other by names: not in
// the default one, as with Docker.
func Named(r state.NetworkRecord) bool {
	return r.Name != state.DefaultNetwork && !r.NoDNS && !r.NoAddresses
}

// entry is what a container is called at an endpoint; nothing where that has no
// address of its own.
func (m *Manager) entry(id, name string, e state.EndpointStatus, aliases []string) names.Entry {
	out := names.Entry{Dir: m.Roots.Network(e.Network), ID: id, Name: name, Aliases: aliases}
	for _, text := range []string{e.IP, e.IP6} {
		if a, err := netip.ParseAddr(text); err == nil {
			out.Addresses = append(out.Addresses, a)
		}
	}
	return out
}

// note has the teardown take the entries away, which forget takes back.
func note(td *state.Teardown, entry names.Entry) {
	files, dirs := entry.Files()
	forget(td, entry)
	td.Files, td.Dirs = append(td.Files, files...), append(td.Dirs, dirs...)
}

func forget(td *state.Teardown, entry names.Entry) {
	files, dirs := entry.Files()
	without := func(list, drop []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
	}
	td.Files, td.Dirs = without(td.Files, files), without(td.Dirs, dirs)
}

// nameEndpoints publishes the names of a container that starts, and has its
// questions answered where any of its networks has names. records are those of the
// networks of its endpoints.
func (m *Manager) nameEndpoints(r Request, records []state.NetworkRecord, res *Result, back *undo) error {
	named := false
	for i := range res.Status.Endpoints {
		e := &res.Status.Endpoints[i]
		if !Named(records[i]) {
			continue
		}
		named = true
		entry := m.entry(r.ID, r.Name, *e, wanted(r.Network, e.Network).Aliases)
		if err := entry.Publish(); err != nil {
			return err
		}
		back.push(entry.Withdraw)
		e.Names = entry.Names()
		note(&res.Teardown, entry)
	}
	if !named {
		return nil
	}
	var warning string
	res.Resolver, warning = resolverSockets(r.NS)
	if warning != "" {
		res.Warnings = append(res.Warnings, warning)
	}
	res.Status.Resolver = len(res.Resolver) > 0
	res.Status.Links = r.Links
	beyond(&res.Status, r.Network, records)
	return nil
}

// beyond says who knows what is no name of the networks: the servers that the user
// named for the container, or for its networks, or the host's, but these only if a
// network leads outside.
func beyond(st *state.NetworkStatus, n state.Network, records []state.NetworkRecord) {
	st.Servers, st.Closed = slices.Clone(n.DNS), len(records) > 0
	for _, r := range records {
		st.Closed = st.Closed && r.Internal
		if len(n.DNS) > 0 {
			continue
		}
		for _, s := range r.DNS {
			if !slices.Contains(st.Servers, s) {
				st.Servers = append(st.Servers, s)
			}
		}
	}
}

// resolverSockets makes the sockets in a container's namespace at which its
// questions are answered: for UDP, then for TCP. Where that cannot be there are
// none, and a warning for the user.
func resolverSockets(ns *link.Namespace) (files []*os.File, warning string) {
	err := ns.Do(func() (err error) {
		at := netip.MustParseAddr(Resolver)
		if files, err = listen(at, 0); err != nil {
			return err
		}
		sa, err := unix.Getsockname(int(files[0].Fd()))
		if err != nil {
			return err
		}
		if firewall.Detour(at, dnsPort, uint16(sa.(*unix.SockaddrInet4).Port)) == nil {
			return nil
		}
		// A kernel without nf_tables: port 53 is taken then.
		closeFiles(files)
		files, err = listen(at, dnsPort)
		return err
	})
	if err != nil {
		closeFiles(files)
		return nil, "names of other containers cannot be looked up: " + err.Error()
	}
	return files, ""
}

const dnsPort = 53

// listenTries bounds the ports that are tried: one is to be free for both protocols.
const listenTries = 20

// listen binds the sockets to one port, any free one for 0.
func listen(at netip.Addr, port int) (files []*os.File, err error) {
	for range listenTries {
		udp, err := socket(unix.SOCK_DGRAM, at, port)
		if err != nil {
			return nil, err
		}
		sa, err := unix.Getsockname(int(udp.Fd()))
		if err != nil {
			udp.Close()
			return nil, err
		}
		tcp, err := socket(unix.SOCK_STREAM, at, sa.(*unix.SockaddrInet4).Port)
		if err == nil {
			return []*os.File{udp, tcp}, nil
		}
		udp.Close()
		if !errors.Is(err, unix.EADDRINUSE) || port != 0 {
			return nil, err
		}
	}
	return nil, unix.EADDRINUSE
}

func socket(kind int, at netip.Addr, port int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: at.As4(), Port: port}); err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "resolver"), nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
