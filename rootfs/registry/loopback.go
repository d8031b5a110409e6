package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// contextFor is the context for talking to the registry host[:port]: one on
// this machine itself may speak plain HTTP without being configured, as Docker
// has it. One that speaks TLS there is held to its certificate.
func (s *Session) contextFor(ctx context.Context, host string) *types.SystemContext {
	sys := s.Context()
	if sys.DockerInsecureSkipTLSVerify != types.OptionalBoolUndefined || !isLoopback(host) {
		return sys
	}
	if r, err := sysregistriesv2.FindRegistry(sys, host); err == nil && r != nil {
		return sys // its configuration says what it is
	}
	if speaksPlain(ctx, host) {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	return sys
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && addr.IsLoopback()
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// speaksPlain reports whether the server answers a TLS greeting with something
// that is not TLS.
func speaksPlain(ctx context.Context, hostport string) bool {
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		// Without a port: https is tried at 443 first, and http at 80 is the rest.
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(trimBrackets(hostport), "443"))
		if err != nil {
			return true
		}
		conn.Close()
		hostport = net.JoinHostPort(trimBrackets(hostport), "443")
	}
	// What the certificate says does not matter here: nothing is sent.
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 2 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", hostport)
	if err == nil {
		conn.Close()
		return false
	}
	var notTLS tls.RecordHeaderError
	return errors.As(err, &notTLS)
}
