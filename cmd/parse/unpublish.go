package parse

import (
	"fmt"
	"strings"

	"skiff/state"
)

// Unpublish reads one --publish-rm value: [IP:]HOST[:CONTAINER][/PROTO], of which
// HOST may be empty where CONTAINER is there; both
// may be ranges. Without PROTO it means every
// protocol.
func Unpublish(s string) (state.PortMatch, error) {
	m, err := unpublish(s)
	if err != nil {
		return m, fmt.Errorf("cannot take back port %q: %w", s, err)
	}
	return m, nil
}

func unpublish(s string) (m state.PortMatch, err error) {
	rest := s
	if strings.Contains(s, "/") {
		if rest, m.Protocol, err = cutProto(s); err != nil {
			return m, err
		}
	}
	ip, host, cont, err := splitPort(rest)
	if err != nil {
		return m, err
	}
	if host == "" && !strings.Contains(rest, ":") {
		host, cont = cont, ""
	}
	if host == "" && cont == "" {
		return m, fmt.Errorf("want [IP:]HOST[:CONTAINER][/PROTOCOL]")
	}
	m.HostIP = ip
	for _, p := range []struct {
		text        string
		first, last *uint16
	}{{host, &m.HostPort, &m.HostPortEnd}, {cont, &m.ContainerPort, &m.ContainerPortEnd}} {
		if p.text == "" {
			continue
		}
		if *p.first, *p.last, err = portRange(p.text); err == nil && *p.first == 0 {
			err = fmt.Errorf("it must be a number from 1 to 65535")
		}
		if err != nil {
			return m, fmt.Errorf("invalid port %q: %w", p.text, err)
		}
	}
	return m, nil
}
