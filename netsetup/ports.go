package netsetup

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/netsetup/plan"
	"skiff/state"
)

// spareFiles is how many descriptors the processes need that hold the ports, beside
// those.
const spareFiles = 64

// PublishedPorts are the ports to publish, those of --publish-all among them.
func PublishedPorts(n state.Network) []state.Port {
	ports := append([]state.Port(nil), n.Ports...)
	if !n.PublishAll {
		return ports
	}
	for _, e := range n.Expose {
		first, last, proto, err := parseExpose(e)
		if err != nil {
			continue // Validate refused it
		}
		for p := int(first); p <= int(last); p++ {
			if !publishes(n.Ports, uint16(p), proto) {
				ports = append(ports, state.Port{ContainerPort: uint16(p), Protocol: proto})
			}
		}
	}
	return ports
}

func publishes(ports []state.Port, port uint16, proto string) bool {
	for _, p := range ports {
		if p.ContainerPort == port && p.Protocol == proto {
			return true
		}
	}
	return false
}

// parseExpose reads PORT[-PORT][/PROTOCOL].
func parseExpose(s string) (first, last uint16, proto string, err error) {
	span, proto, ok := strings.Cut(s, "/")
	if !ok {
		proto = "tcp"
	}
	lo, hi, ok := strings.Cut(span, "-")
	if !ok {
		hi = lo
	}
	a, errA := strconv.ParseUint(lo, 10, 16)
	b, errB := strconv.ParseUint(hi, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a || !knownProtocol(proto) {
		return 0, 0, "", fmt.Errorf("invalid exposed port %q", s)
	}
	return uint16(a), uint16(b), proto, nil
}

func knownProtocol(p string) bool { return p == "tcp" || p == "udp" || p == "sctp" }

// reserve binds a socket for every host port, so that nobody else gets it while
// the container runs, and settles the ports that were left open.
//
// Postconditions: on error no socket is open.
func (m *Manager) reserve(ports []state.Port, have families) (out []state.Port, files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	if err := fit(len(ports)); err != nil {
		return nil, nil, err
	}
	for _, p := range ports {
		got, fds, err := reservePort(p, have)
		if errors.Is(err, ErrPortInUse) {
			err = fmt.Errorf("%w%s", err, m.holder(p))
		}
		if err != nil {
			return nil, files, fmt.Errorf("cannot publish port %s: %w", plan.PortText(p), err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "published port"))
		}
		out = append(out, got)
	}
	return out, files, nil
}

// fit refuses more ports than this process and the monitor can hold sockets for.
func fit(ports int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || uint64(ports)+spareFiles <= limit.Cur {
		return nil
	}
	return fmt.Errorf("cannot publish %d ports: each takes an open file, of which this machine allows a process %d (see ulimit -Hn)", ports, limit.Cur)
}

// reservePort settles one port: the one asked for, the first free one of a
// range, or any.
func reservePort(p state.Port, have families) (state.Port, []int, error) {
	hosts, err := hostAddresses(p, have)
	if err != nil {
		return p, nil, err
	}
	last := max(p.HostPort, p.HostPortEnd)
	for port := int(p.HostPort); ; port++ {
		got, fds, err := bindAll(p.Protocol, hosts, uint16(port))
		if err == nil {
			p.HostPort, p.HostPortEnd = got, 0
			return p, fds, nil
		}
		if !errors.Is(err, ErrPortInUse) || port >= int(last) {
			return p, nil, err
		}
	}
}

// families are those that a container has in its network.
type families struct{ four, six bool }

// anyAddr stands for all addresses of both families, which one socket can hold.
func anyAddr() netip.Addr { return netip.IPv6Unspecified().WithZone("any") }

// hostAddresses are those to bind.
func hostAddresses(p state.Port, have families) (all []netip.Addr, err error) {
	if p.HostIP == "" && have.four && have.six {
		return []netip.Addr{anyAddr()}, nil
	}
	if p.HostIP == "" {
		if have.four {
			all = append(all, netip.IPv4Unspecified())
		}
		if have.six {
			all = append(all, netip.IPv6Unspecified())
		}
		if all == nil {
			err = errors.New("the network gives no addresses")
		}
		return all, err
	}
	a, err := netip.ParseAddr(p.HostIP)
	if err != nil {
		return nil, fmt.Errorf("%q is not an IP address", p.HostIP)
	}
	a = a.Unmap()
	if a.Is6() && !have.six {
		return nil, errors.New("the network has no IPv6 on this host")
	}
	if a.Is4() && !have.four {
		return nil, errors.New("the network has no IPv4")
	}
	return []netip.Addr{a}, nil
}

// bindAll binds the port on every address. With port 0 the kernel chooses one
// for the first address, and again if the others do not have it free.
func bindAll(proto string, hosts []netip.Addr, port uint16) (got uint16, fds []int, err error) {
	for range 20 {
		got = port
		for _, h := range hosts {
			var fd int
			fd, got, err = bind(proto, h, got)
			if err != nil {
				break
			}
			if fd >= 0 {
				fds = append(fds, fd)
			}
		}
		if err == nil {
			return got, fds, nil
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
		fds = nil
		if port != 0 || !errors.Is(err, ErrPortInUse) {
			break
		}
	}
	return 0, nil, err
}

// bind makes a socket that holds the port and takes no connection: what gets
// to it was not forwarded, and is refused. fd is -1 where the kernel lacks the
// protocol, so that nothing on this host can want the port.
func bind(proto string, host netip.Addr, port uint16) (fd int, got uint16, err error) {
	fd, err = openSocket(proto, host)
	if fd < 0 || err != nil {
		if err == nil && port == 0 { // somebody has to choose
			fd, port, err = bind("tcp", host, 0)
			if err == nil {
				unix.Close(fd)
			}
		}
		return -1, port, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	addr := sockaddr(host, port)
	err = unix.Bind(fd, addr)
	if errors.Is(err, unix.EADDRINUSE) && proto == "tcp" {
		err = bindOverOld(fd, addr)
	}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return -1, 0, ErrPortInUse
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return -1, 0, fmt.Errorf("%s is not an address of this host", host)
	case err != nil:
		return -1, 0, err
	}
	if port != 0 {
		return fd, port, nil
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return -1, 0, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		port = uint16(sa.Port)
	case *unix.SockaddrInet6:
		port = uint16(sa.Port)
	}
	return fd, port, nil
}

// openSocket gives -1 without error where the kernel lacks the protocol.
func openSocket(proto string, host netip.Addr) (int, error) {
	family, kind, number := unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP
	if host.Is6() {
		family = unix.AF_INET6
	}
	switch proto {
	case "udp":
		kind, number = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	case "sctp":
		number = unix.IPPROTO_SCTP
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, number)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	if host.Is6() {
		only := 1
		if host == anyAddr() {
			only = 0
		}
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	if err == nil && proto == "udp" {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindOverOld binds a port on which only connections of an earlier server are
// left (TIME_WAIT). Listening for a moment makes sure that nobody else has it,
// and ends the state in which others could bind beside us.
func bindOverOld(fd int, addr unix.Sockaddr) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, addr); err != nil {
		return err
	}
	if err := unix.Listen(fd, 0); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0); err != nil {
		return err
	}
	return unix.Shutdown(fd, unix.SHUT_RD)
}

func sockaddr(host netip.Addr, port uint16) unix.Sockaddr {
	if host.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: host.As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(port), Addr: host.As16()}
	if n, err := strconv.Atoi(host.Zone()); err == nil {
		sa.ZoneId = uint32(n)
	}
	return sa
}
