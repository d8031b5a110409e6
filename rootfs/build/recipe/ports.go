package recipe

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// expose does EXPOSE.
func (p *planner) expose(c *instructions.ExposeCommand) error {
	var words []string
	for _, w := range c.Ports {
		ws, err := split(p.lex, w, p.plan.env)
		if err != nil {
			return err
		}
		words = append(words, ws...)
	}
	var ports []string
	for _, w := range words {
		ps, err := p.ports(c, w)
		if err != nil {
			return fmt.Errorf("EXPOSE %s: %w", w, err)
		}
		ports = append(ports, ps...)
		if err := p.spend(16 * len(ps)); err != nil {
			return err
		}
	}
	if p.cfg.ExposedPorts == nil {
		p.cfg.ExposedPorts = map[string]struct{}{}
	}
	for _, port := range ports {
		p.cfg.ExposedPorts[port] = struct{}{}
	}
	return p.config(c, fmt.Sprintf("EXPOSE %v", ports))
}

// ports reads PORT[-PORT][/PROTOCOL]. An address and a port of the host before
// it, as of run --publish, are read and mean nothing.
func (p *planner) ports(c *instructions.ExposeCommand, word string) ([]string, error) {
	address, host, port := cutPublish(word)
	port, protocol, _ := strings.Cut(port, "/")
	switch strings.ToLower(protocol) {
	case "":
		protocol = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return nil, fmt.Errorf("protocol %q is none of tcp, udp and sctp", protocol)
	}
	checkPort(c, word, protocol, address != "" || host != "", p.lint)
	if address != "" {
		if _, err := netip.ParseAddr(strings.Trim(address, "[]")); err != nil {
			return nil, fmt.Errorf("%q is not an address", address)
		}
	}
	first, last, err := portRange(port)
	if err != nil {
		return nil, err
	}
	if host != "" {
		from, to, err := portRange(host)
		if err != nil {
			return nil, err
		}
		if first != last && last-first != to-from {
			return nil, errors.New("the two ranges are not of the same length")
		}
	}
	out := make([]string, 0, last-first+1)
	for n := first; n <= last; n++ {
		out = append(out, strconv.Itoa(n)+"/"+strings.ToLower(protocol))
	}
	return out, nil
}

// cutPublish is [[ADDRESS:]HOSTPORT:]PORT.
func cutPublish(s string) (address, host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", s
	}
	host, port = s[:i], s[i+1:]
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		address, host = host[:i], host[i+1:]
	}
	return address, host, port
}

func portRange(s string) (first, last int, err error) {
	a, b, two := strings.Cut(s, "-")
	if first, err = portNumber(a); err != nil {
		return 0, 0, err
	}
	if !two {
		return first, first, nil
	}
	if last, err = portNumber(b); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("range %s ends before it begins", s)
	}
	return first, last, nil
}

func portNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port: want a number from 0 to 65535", s)
	}
	return int(n), nil
}
