package firewall

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// woken says whether the socket becomes readable within a moment, and empties it.
func woken(t *testing.T, f *os.File) bool {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 200)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	for {
		if _, _, err := unix.Recvfrom(int(f.Fd()), buf, unix.MSG_DONTWAIT); err != nil {
			return n > 0
		}
	}
}

func sh(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

func TestContainersWakeNobody(t *testing.T) {
	private(t)
	n := &NFT{Table: "skiff"}
	if err := n.AddNetwork(testNetwork); err != nil {
		t.Fatal(err)
	}
	ws, err := n.Watch()
	if err != nil || len(ws) != 1 {
		t.Fatalf("%d sockets, %v", len(ws), err)
	}
	defer ws[0].Close()
	for i := range 1000 {
		fs := []Forward{forward("tcp", fmt.Sprintf("0.0.0.0:%d", 10000+i), "10.87.0.2:80"), forward("tcp", fmt.Sprintf("[::]:%d", 10000+i), "[fd12::2]:80")}
		if _, err := n.Add(testNetwork, fs); err != nil {
			t.Fatal(err)
		}
		batches, err := n.Undo(fs)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			if err := Send(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	var many []Forward
	for i := range 5000 {
		many = append(many, forward("tcp", fmt.Sprintf("0.0.0.0:%d", 20000+i), fmt.Sprintf("10.87.0.2:%d", 20000+i)))
	}
	start := time.Now()
	if _, err := n.Add(testNetwork, many); err != nil {
		t.Fatal(err)
	}
	added := time.Since(start)
	if err := n.Forget([]netip.Addr{netip.MustParseAddr("10.87.0.2")}); err != nil {
		t.Fatal(err)
	}
	t.Logf("5000 forwards: %v to add, %v to remove", added, time.Since(start)-added)
	// Another network comes and goes, and somebody else's rules.
	other := Network{Bridge: "other", Subnet: netip.MustParsePrefix("10.99.0.0/24"), Internal: true}
	if err := n.AddNetwork(other); err != nil {
		t.Fatal(err)
	}
	if err := n.RemoveNetwork(other); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"nft add table inet theirs", "nft add chain inet theirs c", "nft add rule inet theirs c accept", "nft delete table inet theirs",
		"nft add table inet skiff-12345678; nft add chain inet skiff-12345678 c; nft delete table inet skiff-12345678",
		"iptables-nft -t nat -N DOCKER; iptables-nft -t nat -A DOCKER -p tcp --dport 1 -j ACCEPT; iptables-nft -t nat -F DOCKER",
		"iptables-nft -A INPUT -i nosuch -j ACCEPT; iptables-nft -D INPUT -i nosuch -j ACCEPT",
	} {
		sh(t, line)
		if woken(t, ws[0]) {
			t.Errorf("woken by %q", line)
		}
	}
}

func TestLossWakes(t *testing.T) {
	private(t)
	n := &NFT{Table: "skiff"}
	fs := testForwards()
	if _, err := n.Add(testNetwork, fs); err != nil {
		t.Fatal(err)
	}
	whole := ruleset(t)
	ws, err := n.Watch()
	if err != nil || len(ws) == 0 {
		t.Fatalf("%d sockets, %v", len(ws), err)
	}
	defer ws[0].Close()
	for _, line := range []string{
		"nft flush ruleset", "nft delete table inet skiff", "nft flush table inet skiff", "nft flush chain inet skiff forward",
		"nft delete rule inet skiff guard handle $(nft -a list chain inet skiff guard | sed -n 's/.*drop # handle //p')",
		"for i in $(seq 12); do nft add table inet t$i; nft add chain inet t$i c; nft add rule inet t$i c accept; done; nft flush ruleset",
		"nft add table inet skiff '{ flags dormant; }'; nft delete chain inet skiff input || nft flush chain inet skiff input",
	} {
		sh(t, line)
		if !woken(t, ws[0]) {
			t.Errorf("nobody is woken by %q", line)
		}
		if err := n.Restore([]Network{testNetwork}, fs); err != nil {
			t.Fatal(err)
		}
		if after := ruleset(t); after != whole {
			t.Errorf("after %q: got\n%s\nwant\n%s", line, after, whole)
		}
		woken(t, ws[0])
		if err := n.Restore([]Network{testNetwork}, fs); err != nil {
			t.Fatal(err)
		}
		if woken(t, ws[0]) {
			t.Error("restoring what is whole wakes")
		}
	}
	sh(t, "iptables-nft -P FORWARD DROP")
	if !woken(t, ws[0]) {
		t.Error("nobody is woken by a FORWARD chain that drops")
	}
	if err := n.Restore([]Network{testNetwork}, fs); err != nil {
		t.Fatal(err)
	}
	woken(t, ws[0])
	for _, line := range []string{"iptables-nft -F FORWARD", "iptables-nft -F"} {
		sh(t, line)
		if !woken(t, ws[0]) {
			t.Errorf("nobody is woken by %q", line)
		}
		if err := n.Restore([]Network{testNetwork}, fs); err != nil {
			t.Fatal(err)
		}
		woken(t, ws[0])
	}
}

func TestLossOfIPTablesRulesWakes(t *testing.T) {
	private(t)
	ipt := &IPTables{}
	fs := testForwards()[:3]
	if _, err := ipt.Add(testNetwork, fs); err != nil {
		t.Fatal(err)
	}
	ws, err := ipt.Watch()
	if err != nil || len(ws) == 0 {
		t.Fatalf("%d sockets, %v", len(ws), err)
	}
	defer ws[0].Close()
	saved := func() string {
		out, err := exec.Command("sh", "-c", "iptables-save; ip6tables-save").Output()
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(out), "")
	}
	whole := saved()
	if err := ipt.Restore([]Network{testNetwork}, fs); err != nil {
		t.Fatal(err)
	}
	if after := saved(); after != whole {
		t.Errorf("restoring what is whole: got\n%s\nwant\n%s", after, whole)
	}
	one := []Forward{forward("tcp", "0.0.0.0:81", "10.87.0.3:80")}
	if _, err := ipt.Add(testNetwork, one); err != nil {
		t.Fatal(err)
	}
	if err := ipt.Remove(one); err != nil {
		t.Fatal(err)
	}
	if woken(t, ws[0]) {
		t.Error("woken by a container's ports")
	}
	for _, line := range []string{"iptables -F", "iptables -t nat -F", "ip6tables -t nat -F", "iptables -t raw -F"} {
		sh(t, line)
		if !woken(t, ws[0]) {
			t.Errorf("nobody is woken by %q", line)
		}
		if err := ipt.Restore([]Network{testNetwork}, fs); err != nil {
			t.Fatal(err)
		}
		if after := saved(); after != whole {
			t.Errorf("after %q: got\n%s\nwant\n%s", line, after, whole)
		}
		woken(t, ws[0])
	}
	closed := testNetwork
	closed.Internal, closed.Subnet6 = true, netip.Prefix{}
	for range 2 {
		if err := ipt.AddNetwork(closed); err != nil {
			t.Fatal(err)
		}
	}
	fresh := &IPTables{Suffix: "other"}
	if err := fresh.AddNetwork(closed); err != nil {
		t.Fatal(err)
	}
	mine, theirs := rulesOf(t, "SKIFF-"), rulesOf(t, "-other")
	if mine != theirs {
		t.Errorf("changed network: got\n%s\nwant\n%s", mine, theirs)
	}
	if err := ipt.RemoveNetwork(testNetwork); err != nil {
		t.Fatal(err)
	}
	if err := fresh.RemoveNetwork(closed); err != nil {
		t.Fatal(err)
	}
	if after := saved(); strings.Contains(after, "SKIFF") {
		t.Errorf("left over:\n%s", after)
	}
}

// rulesOf are the rules about networks in chains of that kind, without its suffix.
func rulesOf(t *testing.T, kind string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "iptables-save; ip6tables-save").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		other := strings.Contains(line, "-other")
		if strings.HasPrefix(line, "-A SKIFF") && strings.Contains(line, testNetwork.Bridge) && other == (kind == "-other") {
			b.WriteString(strings.ReplaceAll(line, "-other", ""))
		}
	}
	return b.String()
}
