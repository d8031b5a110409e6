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
