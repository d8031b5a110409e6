package inspect

import (
	"testing"

	"skiff/state"
)

// The order and the spans are those that Docker 20.10 prints.
func TestDockerPortText(t *testing.T) {
	port := func(ip string, public, inner uint16, protocol string) state.Port {
		return state.Port{HostIP: ip, HostPort: public, ContainerPort: inner, Protocol: protocol}
	}
	for _, c := range []struct {
		ports  []state.Port
		expose []string
		want   string
	}{
		{nil, nil, ""},
		{nil, []string{"81/tcp", "80/tcp", "80/udp"}, "80-81/tcp, 80/udp"},
		{[]state.Port{port("127.0.0.1", 8080, 80, "tcp")}, []string{"80-82/tcp", "90/tcp"}, "81-82/tcp, 90/tcp, 127.0.0.1:8080->80/tcp"},
		{[]state.Port{port("", 90, 90, "tcp"), port("", 91, 91, "tcp"), port("", 93, 93, "tcp")}, nil, "0.0.0.0:90-91->90-91/tcp, 0.0.0.0:93->93/tcp"},
		{[]state.Port{port("::1", 80, 80, "tcp"), port("::1", 5, 6, "udp")}, nil, "[::1]:80->80/tcp, [::1]:5->6/udp"},
	} {
		if got := DockerPortText(c.ports, c.expose); got != c.want {
			t.Errorf("%v, %v: got %q, want %q", c.ports, c.expose, got, c.want)
		}
	}
}
