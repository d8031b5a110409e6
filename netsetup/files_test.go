package netsetup

import (
	"os"
	"strings"
	"testing"

	"skiff/state"
	"skiff/state/dirs"
)

func TestWriteFiles(t *testing.T) {
	bridge := state.NetworkStatus{Endpoints: []state.EndpointStatus{{Network: "bridge", IP: "10.87.0.2", IP6: "fd12::2", Gateway: "10.87.0.1", HostLink: "veth0"}}}
	named := bridge
	named.Resolver = true
	macvlan := state.NetworkStatus{Endpoints: []state.EndpointStatus{{Network: "lan", IP: "192.0.2.7", Gateway: "192.0.2.1"}}}
	pasta := state.NetworkStatus{Endpoints: []state.EndpointStatus{{Network: "pasta", IP: "192.0.2.7", Gateway: "169.254.1.2"}}}
	own := ownAddress()
	for _, c := range []struct {
		name          string
		n             state.Network
		st            state.NetworkStatus
		hosts, resolv []string // lines that have to be there
		not           string   // in neither
	}{
		{"bridge", state.Network{Mode: "bridge", DNS: []string{"9.9.9.9"}, DNSSearch: []string{"a.b"}}, bridge,
			[]string{"127.0.0.1\tlocalhost", "10.87.0.2\tweb.example.org web box", "fd12::2\tweb.example.org web box",
				"10.87.0.1\thost.docker.internal host.containers.internal"},
			[]string{"search a.b", "nameserver 9.9.9.9"}, "127.0.0.53"},
		{"extra hosts", state.Network{Mode: "bridge", ExtraHosts: []string{"db:1.2.3.4", "host.docker.internal:host-gateway"}}, bridge,
			[]string{"1.2.3.4\tdb", "10.87.0.1\thost.docker.internal", "10.87.0.1\thost.containers.internal"}, nil, "host-gateway"},
		{"none", state.Network{Mode: "none"}, state.NetworkStatus{}, []string{"127.0.0.1\tlocalhost", own + "\thost.docker.internal host.containers.internal"}, nil, "box"},
		{"macvlan", state.Network{Mode: "bridge"}, macvlan,
			[]string{"192.0.2.7\tweb.example.org web box", own + "\thost.docker.internal host.containers.internal"}, nil, "192.0.2.1"},
		{"names", state.Network{Mode: "bridge", DNS: []string{"9.9.9.9"}, DNSSearch: []string{"a.b"}, DNSOptions: []string{"use-vc"}}, named,
			[]string{"10.87.0.2\tweb.example.org web box"}, []string{"search a.b", "nameserver 127.0.0.11", "options ndots:0 use-vc"}, "9.9.9.9"},
		{"names, with dots", state.Network{Mode: "bridge", DNSOptions: []string{"ndots:2"}}, named,
			nil, []string{"nameserver 127.0.0.11", "options ndots:2"}, "ndots:0"},
		{"host", state.Network{Mode: "host", ExtraHosts: []string{"a:5.6.7.8"}}, state.NetworkStatus{}, []string{"5.6.7.8\ta"}, nil, "box"},
		{"pasta", state.Network{Mode: "pasta"}, pasta,
			[]string{"192.0.2.7\tweb.example.org web box", "169.254.1.2\thost.docker.internal host.containers.internal"},
			[]string{"nameserver 169.254.1.1"}, "127.0.0.53"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dirs.Container{Run: t.TempDir() + "/c"}
			m := &Manager{}
			if err := m.WriteFiles(Request{Name: "box", Hostname: "web", Domainname: "example.org", Network: c.n, Dir: d}, c.st); err != nil {
				t.Fatal(err)
			}
			hosts, resolv := read(t, d.Hosts()), read(t, d.ResolvConf())
			for _, l := range c.hosts {
				if !strings.Contains("\n"+hosts, "\n"+l+"\n") {
					t.Errorf("hosts lacks %q:\n%s", l, hosts)
				}
			}
			for _, l := range c.resolv {
				if !strings.Contains("\n"+resolv, "\n"+l+"\n") {
					t.Errorf("resolv.conf lacks %q:\n%s", l, resolv)
				}
			}
			if strings.Contains(hosts+resolv, c.not) {
				t.Errorf("%q is in\n%s%s", c.not, hosts, resolv)
			}
			if got := read(t, d.HostnameFile()); got != "web\n" {
				t.Errorf("hostname %q", got)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestValidate(t *testing.T) {
	m := &Manager{Roots: dirs.Roots{Data: t.TempDir(), Run: t.TempDir()}}
	port := func(p state.Port) state.Network { return state.Network{Mode: "bridge", Ports: []state.Port{p}} }
	for want, n := range map[string]state.Network{
		"":                         {Mode: "bridge"},
		`unknown network mode "x"`: {Mode: "x"},
		`network mode "host" cannot be used together with a network`:         {Mode: "host", Endpoints: []state.Endpoint{{}}},
		`network "mine": not found`:                                          {Mode: "bridge", Endpoints: []state.Endpoint{{Network: "mine"}}},
		`network "../x": not found`:                                          {Mode: "bridge", Endpoints: []state.Endpoint{{Network: "../x"}}},
		`invalid MAC address "01:00:00:00:00:00"`:                            {Mode: "bridge", Endpoints: []state.Endpoint{{Network: "bridge", MAC: "01:00:00:00:00:00"}}},
		`invalid IPv4 address "::1"`:                                         {Mode: "bridge", Endpoints: []state.Endpoint{{Network: "bridge", IP: "::1"}}},
		`invalid DNS server "x": not an IP address`:                          {Mode: "bridge", DNS: []string{"x"}},
		`invalid DNS search domain "a b"`:                                    {Mode: "bridge", DNSSearch: []string{"a b"}},
		`invalid exposed port "80/x"`:                                        {Mode: "bridge", Expose: []string{"80/x"}},
		`cannot publish port 80: unknown protocol "x"`:                       port(state.Port{ContainerPort: 80, Protocol: "x"}),
		`cannot publish port 80/tcp: the container's port is 0`:              port(state.Port{HostPort: 80, Protocol: "tcp"}),
		`cannot publish port 80/tcp: the range ends before it begins`:        port(state.Port{HostPort: 80, HostPortEnd: 79, ContainerPort: 1, Protocol: "tcp"}),
		`cannot publish port nowhere:80/tcp: "nowhere" is not an IP address`: port(state.Port{HostIP: "nowhere", HostPort: 80, ContainerPort: 1, Protocol: "tcp"}),
	} {
		err := m.Validate(n)
		if got := ""; err != nil {
			if got = err.Error(); got != want {
				t.Errorf("%+v: got %q want %q", n, got, want)
			}
		} else if want != "" {
			t.Errorf("%+v: no error, want %q", n, want)
		}
	}
}
