package registry

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"skiff/rootfs/imagecall"
)

func TestCauseIsShortAndNamesMirrors(t *testing.T) {
	lookup := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "registry.example", IsTemporary: true}}
	stack := fmt.Errorf("reading manifest latest: %w", fmt.Errorf("pinging container registry: %w", lookup))
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a host that cannot be looked up", stack, `cannot look up the host "registry.example": server misbehaving`},
		{"a mirror that has no such image",
			fmt.Errorf("(Mirrors also failed: [m1:5000/a:latest: reading manifest latest in m1:5000/a: manifest unknown]\n[m2/a:latest: EOF]): registry.example/a: %w", stack),
			`cannot look up the host "registry.example": server misbehaving; tried mirror m1:5000/a:latest: manifest unknown, m2/a:latest: EOF`},
		{"something else", errors.New("reading manifest latest: writing blob: bad thing"), "bad thing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, text := Cause(c.err)
			if text != c.want || kind != imagecall.FailOther {
				t.Errorf("got %s %q, want %q", kind, text, c.want)
			}
		})
	}
}
