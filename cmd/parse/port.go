package parse

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"skiff/state"
)

// Publish reads one -p value: [[IP:][HOST[-END]]:]CONTAINER[-END][/PROTO]. A
// range on both sides must be of one length; a range on the host's side alone
// is where a free port is chosen from. Docker: --publish.
func Publish(s string) ([]state.Port, error) {
	ports, err := publish(s)
	if err != nil {
		return nil, fmt.Errorf("cannot publish port %q: %w", s, err)
	}
	return ports, nil
}

func publish(s string) ([]state.Port, error) {
	rest, proto, err := cutProto(s)
	if err != nil {
		return nil, err
	}
	ip, host, cont, err := splitPort(rest)
	if err != nil {
		return nil, err
	}
	c0, c1, err := portRange(cont)
	if err != nil {
		return nil, fmt.Errorf("invalid container port %q: %w", cont, err)
	}
	if c0 == 0 {
		return nil, fmt.Errorf("invalid container port %q: it must be from 1 to 65535", cont)
	}
	var h0, h1 uint16
	if host != "" && host != "0" {
		if h0, h1, err = portRange(host); err == nil && h0 == 0 {
			err = fmt.Errorf("it must be from 1 to 65535")
		}
		if err != nil {
			return nil, fmt.Errorf("invalid host port %q: %w", host, err)
		}
	}
	if h0 != 0 && h1-h0 != c1-c0 {
		if c0 != c1 {
			return nil, fmt.Errorf("the ranges %s and %s have different lengths", host, cont)
		}
		return []state.Port{{HostIP: ip, HostPort: h0, HostPortEnd: h1, ContainerPort: c0, Protocol: proto}}, nil
	}
	out := make([]state.Port, 0, int(c1-c0)+1)
	for i := 0; i <= int(c1-c0); i++ {
		p := state.Port{HostIP: ip, ContainerPort: c0 + uint16(i), Protocol: proto}
		if h0 != 0 {
			p.HostPort = h0 + uint16(i)
		}
		out = append(out, p)
	}
	return out, nil
}

// splitPort takes ip, host part and container part apart; an IPv6 address
// stands in brackets.
func splitPort(s string) (ip, host, cont string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		var after string
		if ip, after, ok = strings.Cut(rest, "]"); !ok || !strings.HasPrefix(after, ":") {
			return "", "", "", fmt.Errorf("an IPv6 address is written as [ADDRESS]:HOST:CONTAINER")
		}
		if host, cont, ok = strings.Cut(after[1:], ":"); !ok {
			host, cont = "", after[1:]
		}
	} else {
		parts := strings.Split(s, ":")
		switch len(parts) {
		case 1:
			return "", "", parts[0], nil
		case 2:
			host, cont = parts[0], parts[1]
		case 3:
			ip, host, cont = parts[0], parts[1], parts[2]
		default:
			return "", "", "", fmt.Errorf("want [IP:][HOST:]CONTAINER[/PROTOCOL]")
		}
	}
	if ip == "" {
		return "", host, cont, nil
	}
	addr, perr := netip.ParseAddr(ip)
	if perr != nil || addr.Zone() != "" {
		return "", "", "", fmt.Errorf("invalid IP address %q", ip)
	}
	return addr.String(), host, cont, nil
}

func cutProto(s string) (rest, proto string, err error) {
	rest, proto, ok := strings.Cut(s, "/")
	if !ok {
		return rest, "tcp", nil
	}
	switch proto = strings.ToLower(proto); proto {
	case "tcp", "udp", "sctp":
		return rest, proto, nil
	}
	return "", "", fmt.Errorf("invalid protocol %q: want tcp, udp or sctp", proto)
}

func portRange(s string) (lo, hi uint16, err error) {
	a, b, ranged := strings.Cut(s, "-")
	if lo, err = port(a); err != nil || !ranged {
		return lo, lo, err
	}
	if hi, err = port(b); err == nil && (hi < lo || lo == 0) {
		err = fmt.Errorf("the range ends before it begins")
	}
	return lo, hi, err
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("it must be a number from 1 to 65535")
	}
	return uint16(n), nil
}

// Expose reads one --expose value, PORT[-END][/PROTO], into single ports such
// as 80/tcp.
func Expose(s string) ([]string, error) {
	rest, proto, err := cutProto(s)
	if err != nil {
		return nil, fmt.Errorf("cannot expose port %q: %w", s, err)
	}
	lo, hi, err := portRange(rest)
	if err == nil && lo == 0 {
		err = fmt.Errorf("it must be a number from 1 to 65535")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot expose port %q: %w", s, err)
	}
	var out []string
	for p := int(lo); p <= int(hi); p++ {
		out = append(out, strconv.Itoa(p)+"/"+proto)
	}
	return out, nil
}
