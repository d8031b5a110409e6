package libpod

import (
	"slices"
	"testing"

	"skiff/state"
)

func TestLinkEnv(t *testing.T) {
	other := &state.Config{}
	other.Network.Expose = []string{"9000-9001/tcp", "80/udp", "80/tcp"}
	other.Process.Env = []string{"PATH=/bin", "HOME=/", "A=b=c"}
	want := []string{
		"MY_DB_PORT=tcp://10.0.0.2:80",
		"MY_DB_PORT_80_TCP=tcp://10.0.0.2:80", "MY_DB_PORT_80_TCP_ADDR=10.0.0.2", "MY_DB_PORT_80_TCP_PORT=80", "MY_DB_PORT_80_TCP_PROTO=tcp",
		"MY_DB_PORT_80_UDP=udp://10.0.0.2:80", "MY_DB_PORT_80_UDP_ADDR=10.0.0.2", "MY_DB_PORT_80_UDP_PORT=80", "MY_DB_PORT_80_UDP_PROTO=udp",
		"MY_DB_PORT_9000_TCP=tcp://10.0.0.2:9000", "MY_DB_PORT_9000_TCP_ADDR=10.0.0.2", "MY_DB_PORT_9000_TCP_PORT=9000", "MY_DB_PORT_9000_TCP_PROTO=tcp",
		"MY_DB_PORT_9001_TCP=tcp://10.0.0.2:9001", "MY_DB_PORT_9001_TCP_ADDR=10.0.0.2", "MY_DB_PORT_9001_TCP_PORT=9001", "MY_DB_PORT_9001_TCP_PROTO=tcp",
		"MY_DB_NAME=/web/my-db", "MY_DB_ENV_A=b=c",
	}
	if got := linkEnv("web", "my-db", "10.0.0.2", other); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	other.Network.Expose, other.Process.Env = nil, nil
	if got := linkEnv("web", "db", "10.0.0.2", other); !slices.Equal(got, []string{"DB_NAME=/web/db"}) {
		t.Errorf("without ports: %q", got)
	}
}
