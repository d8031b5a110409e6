package firewall

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// private moves the test into a network namespace of its own.
func private(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

func ruleset(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return string(out)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

var testNetwork = Network{Bridge: "skiff0", Subnet: netip.MustParsePrefix("10.87.0.0/16"), Subnet6: netip.MustParsePrefix("fd12::/64")}

// testKinds are networks of each kind.
func testKinds() []Network {
	four := netip.MustParsePrefix("10.88.0.0/24")
	return []Network{
		{Bridge: "closed", Subnet: four, Internal: true},
		{Bridge: "plain", Subnet: four, NoMasquerade: true},
		{Bridge: "apart", Subnet: four, Apart: true},
		{Bridge: "open", Subnet: four, Open: true},
	}
}

func forward(proto, host, to string) Forward {
	return Forward{Proto: proto, Host: netip.MustParseAddrPort(host), To: netip.MustParseAddrPort(to)}
}

func testForwards() []Forward {
	return []Forward{
		forward("tcp", "0.0.0.0:8080", "10.87.0.2:80"),
		forward("udp", "127.0.0.1:53", "10.87.0.2:53"),
		forward("tcp", "[::]:8080", "[fd12::2]:80"),
		forward("sctp", "[fe80::1]:7", "[fd12::2]:7"),
	}
}

func TestRulesAsText(t *testing.T) {
	var b strings.Builder
	for _, c := range chains() {
		b.WriteString("chain " + c.Name + " " + c.Type + " " + c.Hook + "\n")
		for _, r := range rules() {
			if r.Chain == c.Name {
				b.WriteString("\t" + r.text() + "\n")
			}
		}
	}
	golden(t, "rules.golden", b.String())
}

// The kernel's idea of the rules, told by nft(8), has every line of our text.
func TestKernelHasTheRules(t *testing.T) {
	private(t)
	before := ruleset(t)
	n := &NFT{Table: "skiff"}
	if remade, err := n.Add(testNetwork, testForwards()); err != nil || !remade {
		t.Fatalf("remade %v, %v", remade, err)
	}
	got := ruleset(t)
	for _, r := range rules() {
		if !strings.Contains(got, "\t"+r.text()+"\n") {
			t.Errorf("missing %q in\n%s", r.text(), got)
		}
	}
	golden(t, "ruleset.golden", got)
	if remade, err := n.Add(testNetwork, nil); err != nil || remade {
		t.Fatalf("remade %v, %v", remade, err)
	}
	batches, err := n.Undo(testForwards())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := Send(b); err != nil {
			t.Error(err)
		}
	}
	if s := ruleset(t); strings.Contains(s, "8080") {
		t.Errorf("ports are left:\n%s", s)
	}
	if err := n.RemoveNetwork(testNetwork); err != nil {
		t.Fatal(err)
	}
	if after := ruleset(t); after != before {
		t.Errorf("left over: %s", after)
	}
}

func TestForgetWithoutTheTable(t *testing.T) {
	private(t)
	n := &NFT{Table: "skiff"}
	if err := n.Forget([]netip.Addr{netip.MustParseAddr("10.87.0.2")}); err != nil {
		t.Errorf("%v; want nothing to forget", err)
	}
}
