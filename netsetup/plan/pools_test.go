package plan

import (
	"net/netip"
	"testing"
)

func TestChooseUser(t *testing.T) {
	pools := []UserPool{{netip.MustParsePrefix("10.1.0.0/22"), 24}, {netip.MustParsePrefix("255.255.255.0/24"), 25}}
	p := netip.MustParsePrefix
	for _, c := range []struct {
		used []netip.Prefix
		want string
	}{
		{nil, "10.1.0.0/24"},
		{[]netip.Prefix{p("10.1.0.0/24"), p("10.1.1.128/25"), p("0.0.0.0/0")}, "10.1.2.0/24"},
		{[]netip.Prefix{p("10.1.0.0/23"), p("10.1.2.9/32")}, "10.1.3.0/24"},
		{[]netip.Prefix{p("10.0.0.0/8")}, "255.255.255.0/25"},
		{[]netip.Prefix{p("10.0.0.0/8"), p("255.255.255.0/24")}, ""},
	} {
		got, err := ChooseUser(pools, c.used)
		if c.want == "" && err == nil || c.want != "" && got.String() != c.want {
			t.Errorf("used %v: got %s, %v, want %q", c.used, got, err, c.want)
		}
	}
}

func TestVLANOf(t *testing.T) {
	for name, want := range map[string]int{"eth0.30": 30, "eth0": 0, "eth0.": 0, ".5": 0, "a.b.4094": 4094, "e.4095": 0, "e.0": 0} {
		if id, ok := VLANOf(name); ok != (want != 0) || ok && id != want {
			t.Errorf("%s: got %d %v, want %d", name, id, ok, want)
		}
	}
}
