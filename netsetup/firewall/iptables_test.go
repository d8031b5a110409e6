package firewall

import (
	"net/netip"
	"strings"
	"testing"
)

func TestIPTablesRulesAsText(t *testing.T) {
	var b strings.Builder
	ipt := &IPTables{}
	for _, six := range []bool{false, true} {
		for _, l := range append(append(ipt.jumps(), ipt.fixed(six)...), ipt.network(testNetwork, six)...) {
			b.WriteString(l.table + ": -A " + l.chain + " " + l.spec + "\n")
		}
		b.WriteString(ipt.restore(testForwards(), six))
	}
	for _, nw := range testKinds() {
		for _, l := range ipt.network(nw, false) {
			b.WriteString(l.table + ": -A " + l.chain + " " + l.spec + "\n")
		}
	}
	golden(t, "iptables.golden", b.String())
}

func TestDeletionsOfOneContainer(t *testing.T) {
	got := deletions([]string{
		"-N SKIFF-DNAT",
		"-A SKIFF-DNAT -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.87.0.2:80",
		"-A SKIFF-DNAT -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.87.0.22:80",
		"-A SKIFF-DNAT -p tcp -m tcp --dport 82 -j DNAT --to-destination [fd12::2]:80",
	}, []netip.Addr{netip.MustParseAddr("10.87.0.2")})
	want := "*nat\n-D SKIFF-DNAT -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.87.0.2:80\nCOMMIT\n"
	if got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

func TestChainNamesFit(t *testing.T) {
	ipt := &IPTables{Suffix: strings.Repeat("a", 64)}
	for _, c := range ipt.own() {
		if len(c.chain) > 28 { // XT_EXTENSION_MAXNAMELEN - 1
			t.Errorf("%s is too long", c.chain)
		}
	}
}
