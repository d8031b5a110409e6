package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
)

func pool(t *testing.T, subnet string, alive func(string) bool) Pool {
	t.Helper()
	p := netip.MustParsePrefix(subnet)
	if alive == nil {
		alive = func(string) bool { return true }
	}
	return Pool{Dir: t.TempDir(), Subnet: p, Gateway: p.Addr().Next(), Alive: alive}
}

func take(t *testing.T, p Pool, id string) netip.Addr {
	t.Helper()
	l, err := p.Take(id, netip.Addr{}, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return l.IP
}

func TestAddressesAreHandedOutInOrderAndRest(t *testing.T) {
	p := pool(t, "10.1.2.0/29", nil)
	var got []string
	for _, id := range []string{"a", "b", "c"} {
		got = append(got, take(t, p, id).String())
	}
	if err := p.Release("a", netip.MustParseAddr("10.1.2.2")); err != nil {
		t.Fatal(err)
	}
	got = append(got, take(t, p, "d").String(), take(t, p, "e").String(), take(t, p, "f").String())
	want := "[10.1.2.2 10.1.2.3 10.1.2.4 10.1.2.5 10.1.2.6 10.1.2.2]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v want %v", got, want)
	}
	if _, err := p.Take("g", netip.Addr{}, netip.Addr{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v", err)
	}
}

func TestWantedAddress(t *testing.T) {
	p := pool(t, "10.1.2.0/24", nil)
	for i, c := range []struct{ ip, want string }{
		{"10.1.3.9", "address 10.1.3.9 is not in the network's subnet 10.1.2.0/24"},
		{"10.1.2.1", "address 10.1.2.1 is the network's gateway"},
		{"10.1.2.255", "address 10.1.2.255 is not a host's address in 10.1.2.0/24"},
		{"10.1.2.9", ""},
		{"10.1.2.9", "address 10.1.2.9: the address is already in use"},
	} {
		_, err := p.Take(fmt.Sprint(i), netip.MustParseAddr(c.ip), netip.Addr{})
		if got := fmt.Sprint(err); err != nil && got != c.want || err == nil && c.want != "" {
			t.Errorf("%s: got %q want %q", c.ip, got, c.want)
		}
	}
}

func TestRestartedContainerGetsItsOldAddress(t *testing.T) {
	p := pool(t, "10.1.2.0/24", nil)
	ip := take(t, p, "a")
	p.Release("a", ip)
	take(t, p, "b")
	l, err := p.Take("a", netip.Addr{}, ip)
	if err != nil || l.IP != ip {
		t.Errorf("got %v %v want %v", l.IP, err, ip)
	}
}

func TestDeadContainersAddressIsReclaimed(t *testing.T) {
	dead := ""
	p := pool(t, "10.1.2.0/30", func(id string) bool { return id != dead })
	ip := take(t, p, "a")
	dead = "a"
	l, err := p.Take("b", netip.Addr{}, netip.Addr{})
	if err != nil || l.IP != ip || !l.Reclaimed {
		t.Fatalf("got %+v %v", l, err)
	}
	if err := p.Release("a", ip); err != nil || p.Owner(ip) != "b" {
		t.Errorf("a gave back what is b's: owner %q, %v", p.Owner(ip), err)
	}
}

func TestManyAtOnceGetDifferentAddresses(t *testing.T) {
	dead := func(id string) bool { return id[0] != 'x' }
	p := pool(t, "10.1.0.0/16", dead)
	for i := range 20 { // leases of dead containers in the way
		take(t, p, fmt.Sprintf("x%d", i))
	}
	p.writeHint(netip.MustParseAddr("10.1.0.2"))
	var wg sync.WaitGroup
	got := make([]netip.Addr, 60)
	for i := range got {
		wg.Go(func() {
			l, err := p.Take(fmt.Sprintf("id%d", i), netip.Addr{}, netip.Addr{})
			if err != nil {
				t.Error(err)
			}
			got[i] = l.IP
		})
	}
	wg.Wait()
	seen := map[netip.Addr]int{}
	for i, ip := range got {
		if j, ok := seen[ip]; ok {
			t.Errorf("%v was given to %d and %d", ip, j, i)
		}
		seen[ip] = i
		if o := p.Owner(ip); o != fmt.Sprintf("id%d", i) {
			t.Errorf("%v belongs to %q, not %d", ip, o, i)
		}
	}
}

func TestRangeAndReserved(t *testing.T) {
	p := pool(t, "10.1.2.0/24", nil)
	p.First, p.Last = netip.MustParseAddr("10.1.2.8"), netip.MustParseAddr("10.1.2.10")
	p.Reserved = []netip.Addr{netip.MustParseAddr("10.1.2.9")}
	for _, want := range []string{"10.1.2.8", "10.1.2.10"} {
		if ip := take(t, p, "c"+want); ip.String() != want {
			t.Errorf("got %v want %s", ip, want)
		}
	}
	if _, err := p.Take("full", netip.Addr{}, netip.Addr{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("a full range: %v", err)
	}
	if l, err := p.Take("outside", netip.MustParseAddr("10.1.2.77"), netip.Addr{}); err != nil || l.IP.String() != "10.1.2.77" {
		t.Errorf("asked for outside of the range: %v, %v", l.IP, err)
	}
	if _, err := p.Take("reserved", netip.MustParseAddr("10.1.2.9"), netip.Addr{}); err == nil {
		t.Error("a reserved address was given away")
	}
}

func TestBothFamilies(t *testing.T) {
	four, six := pool(t, "10.1.2.0/24", nil), pool(t, "fd00:1::/64", nil)
	six.Dir = four.Dir
	ip, ip6 := take(t, four, "a"), take(t, six, "a")
	all, err := four.All()
	if err != nil || all[ip] != "a" || all[ip6] != "a" {
		t.Errorf("got %v, %v", all, err)
	}
	if next := take(t, six, "b"); next != ip6.Next() {
		t.Errorf("got %v after %v", next, ip6)
	}
}

func TestMembersWithoutAddresses(t *testing.T) {
	p := pool(t, "10.1.2.0/24", nil)
	for range 2 { // a start that follows one that was killed
		if entry, err := p.Join("a"); err != nil || entry != p.Member("a") {
			t.Fatalf("got %q, %v", entry, err)
		}
	}
	if ids, err := p.Members(); err != nil || len(ids) != 1 || ids[0] != "a" {
		t.Errorf("got %v, %v", ids, err)
	}
	if err := errors.Join(p.Leave("a"), p.Leave("a")); err != nil {
		t.Error(err)
	}
	if ids, err := p.Members(); err != nil || len(ids) != 0 {
		t.Errorf("got %v, %v", ids, err)
	}
}
