package parse

import (
	"testing"

	"skiff/state"
)

func TestUnpublish(t *testing.T) {
	port := state.Port{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	for _, c := range []struct {
		in    string
		want  bool
		wrong bool
	}{
		{in: "8080", want: true},
		{in: "8080/tcp", want: true},
		{in: "8080/udp"},
		{in: "80"},
		{in: "8000-8100", want: true},
		{in: "8081-8100"},
		{in: ":80", want: true},
		{in: ":79-81", want: true},
		{in: ":81"},
		{in: "8080:80", want: true},
		{in: "8080:81"},
		{in: "127.0.0.1:8080:80", want: true},
		{in: "127.0.0.1:8080:", want: true},
		{in: "127.0.0.2:8080:80"},
		{in: "[::1]:8080:80"},
		{in: "", wrong: true},
		{in: ":", wrong: true},
		{in: "0", wrong: true},
		{in: "70000", wrong: true},
		{in: "8080/nosuch", wrong: true},
		{in: "90-80", wrong: true},
		{in: "a", wrong: true},
		{in: "1:2:3:4", wrong: true},
	} {
		m, err := Unpublish(c.in)
		if (err != nil) != c.wrong {
			t.Errorf("%q: error %v, want one: %v", c.in, err, c.wrong)
			continue
		}
		if err == nil && m.Matches(port) != c.want {
			t.Errorf("%q matches 127.0.0.1:8080:80/tcp: %v, want %v", c.in, !c.want, c.want)
		}
	}
}
