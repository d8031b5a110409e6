package define

import (
	"strings"
	"testing"

	"skiff/state"
)

func TestRecordGateways(t *testing.T) {
	for _, c := range []struct {
		name                    string
		q                       Request
		gw4, gw6, range4        string
		subnet4, subnet6, given string
	}{
		{"nothing given", Request{}, "", "", "", Auto, "", ""},
		{"the first address", Request{Subnets: []string{"10.5.0.7/24"}}, "10.5.0.1", "", "", "10.5.0.0/24", "", "yes"},
		{"gateway given", Request{Subnets: []string{"10.5.0.0/24"}, Gateways: []string{"10.5.0.254"}}, "10.5.0.254", "", "", "10.5.0.0/24", "", "yes"},
		{"range in CIDR", Request{Subnets: []string{"10.5.0.0/24"}, Ranges: []string{"10.5.0.128/25"}}, "10.5.0.128", "", "10.5.0.128/25", "10.5.0.0/24", "", "yes"},
		{"range from to", Request{Subnets: []string{"10.5.0.0/24"}, Ranges: []string{"10.5.0.9-10.5.0.20"}}, "10.5.0.1", "", "10.5.0.9-10.5.0.20", "10.5.0.0/24", "", "yes"},
		{"both families in any order", Request{Subnets: []string{"fd00:1::/64", "10.5.0.0/24"}, Gateways: []string{"10.5.0.3", "fd00:1::9"}, IPv6: true},
			"10.5.0.3", "fd00:1::9", "", "10.5.0.0/24", "fd00:1::/64", "yes"},
		{"IPv6 only", Request{Subnets: []string{"fd00:1::/64"}}, "", "fd00:1::1", "", "", "fd00:1::/64", "yes"},
		{"IPv6 beside", Request{Subnets: []string{"fd00:1::/64"}, IPv6: true}, "", "fd00:1::1", "", Auto, "fd00:1::/64", "yes"},
		{"no IPv4", Request{NoIPv4: true, IPv6: true}, "", "", "", "", Auto, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.q.Name = "n"
			r, err := Record(c.q)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{r.Subnet, r.Gateway, r.Range, r.Subnet6, r.Gateway6}
			want := []string{c.subnet4, c.gw4, c.range4, c.subnet6, c.gw6}
			if strings.Join(got, " ") != strings.Join(want, " ") || r.Given != (c.given != "") {
				t.Errorf("got %q given %v, want %q %q", got, r.Given, want, c.given)
			}
		})
	}
}

func TestRecordOptions(t *testing.T) {
	r, err := Record(Request{Name: "n", Internal: true, Options: map[string]string{
		"com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.enable_icc": "false",
		"com.docker.network.bridge.enable_ip_masquerade": "false", "com.docker.network.bridge.name": "br9",
		"com.docker.network.bridge.gateway_mode_ipv4": "isolated", "isolate": "false", "com.docker.something.new": "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.MTU != 1400 || !r.Apart || !r.NoMasquerade || r.Bridge != "br9" || !r.NoGateway || !r.Open {
		t.Errorf("got %+v", r)
	}
	if len(r.Options) != 7 {
		t.Errorf("options as the user wrote them: got %v", r.Options)
	}
	r, err = Record(Request{Name: "n", Driver: "macvlan", Options: map[string]string{"parent": "eth0.30", "mode": "vepa"}})
	if err != nil || r.Parent != "eth0.30" || r.Mode != "vepa" || r.Bridge != "" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestRecordRoutes(t *testing.T) {
	r, err := Record(Request{Name: "n", Routes: []string{"192.0.2.9/24,10.1.0.1", "fd01::/48,fd00::1,7", "blackhole,198.51.100.0/24,3"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []state.NetworkRoute{
		{Destination: "192.0.2.0/24", Gateway: "10.1.0.1"}, {Destination: "fd01::/48", Gateway: "fd00::1", Metric: 7},
		{Destination: "198.51.100.0/24", Type: "blackhole", Metric: 3},
	}
	for i, w := range want {
		if r.Routes[i] != w {
			t.Errorf("route %d: got %+v, want %+v", i, r.Routes[i], w)
		}
	}
}

func TestRecordRefuses(t *testing.T) {
	sub := []string{"10.5.0.0/24"}
	for want, q := range map[string]Request{
		"invalid network name":              {Name: "../x"},
		"pre-defined":                       {Name: "host"},
		"unsupported driver foo":            {Name: "n", Driver: "foo"},
		"only one instance of the host":     {Name: "n", Driver: "host"},
		"invalid subnet \"10.5.0.0\"":       {Name: "n", Subnets: []string{"10.5.0.0"}},
		"no room for containers":            {Name: "n", Subnets: []string{"10.5.0.0/31"}},
		"containers cannot have such":       {Name: "n", Subnets: []string{"127.0.0.0/8"}},
		"at most one IPv4 subnet":           {Name: "n", Subnets: []string{"10.5.0.0/24", "10.6.0.0/24"}},
		"gateway 10.6.0.1 is not in subnet": {Name: "n", Subnets: sub, Gateways: []string{"10.6.0.1"}},
		"broadcast":                         {Name: "n", Subnets: sub, Gateways: []string{"10.5.0.255"}},
		"needs a --subnet":                  {Name: "n", Gateways: []string{"10.5.0.1"}},
		"is not in subnet 10.5.0.0/24":      {Name: "n", Subnets: sub, Ranges: []string{"10.5.1.0/25"}},
		"an --ip-range needs":               {Name: "n", Ranges: []string{"10.5.1.0/25"}},
		"aux address x=10.9.0.1":            {Name: "n", Subnets: sub, Reserved: map[string]string{"x": "10.9.0.1"}},
		"IPv4 or IPv6 must be enabled":      {Name: "n", NoIPv4: true},
		"unsupported network option foo":    {Name: "n", Options: map[string]string{"foo": "1"}},
		"mtu=9":                             {Name: "n", Options: map[string]string{"mtu": "9"}},
		"isolated needs --internal":         {Name: "n", Options: map[string]string{"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}},
		"invalid device name":               {Name: "n", Interface: "a/b"},
		"for bridge networks":               {Name: "n", Driver: "macvlan", Options: map[string]string{"vlan": "3"}},
		"one of l2, l3, l3s":                {Name: "n", Driver: "ipvlan", Options: map[string]string{"mode": "bridge"}},
		"needs the name of a bridge":        {Name: "n", Options: map[string]string{"mode": "unmanaged"}},
		"exclude each other":                {Name: "n", Subnets: sub, IPAM: "none"},
		"dhcp is not supported":             {Name: "n", IPAM: "dhcp"},
		"not an IP address":                 {Name: "n", DNS: []string{"x"}},
		"invalid route":                     {Name: "n", Routes: []string{"192.0.2.0/24"}},
	} {
		if _, err := Record(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", q, err, want)
		}
	}
}
