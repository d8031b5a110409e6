package resolver

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"skiff/state"
)

const (
	a    = dnsmessage.TypeA
	aaaa = dnsmessage.TypeAAAA
	ptr  = dnsmessage.TypePTR
)

// closed is a container all of whose networks are internal.
func closed() state.NetworkStatus { return state.NetworkStatus{Closed: true} }

func TestNamesOfTheNetworks(t *testing.T) {
	b := newBed(t, closed(), "net", "My.Net")
	b.box("net", "a", "web", "10.1.0.2 fd00::2", "shop.example.com")
	b.box("net", "b", "db", "10.1.0.3")
	b.box("My.Net", "b", "db", "10.2.0.3")
	b.box("other", "c", "far", "10.3.0.2")
	b.wants("web", a, "10.1.0.2")
	b.wants("WEB", a, "10.1.0.2")
	b.wants("web", aaaa, "fd00::2")
	b.wants("aaaaaaaaaaaa", a, "10.1.0.2")
	b.wants("shop.example.com", a, "10.1.0.2")
	// the first network that knows it, as Docker has it
	b.wants("db", a, "10.1.0.3")
	b.wants("db.my.net", a, "10.2.0.3")
	b.wants("db.net", a, "10.1.0.3")
	// known, but not of that kind
	b.wants("db", aaaa, "")
	b.wants("db", dnsmessage.TypeMX, "")
	b.wants("web", dnsmessage.TypeALL, "10.1.0.2 fd00::2")
	b.wants("far", a, "RCodeNameError")
	b.wants("far.other", a, "RCodeNameError")
	b.wants("example.com", a, "RCodeNameError")
	// a host is its own localhost
	b.wants("localhost", a, "127.0.0.1")
	b.wants("localhost", aaaa, "::1")
	b.wants("x.localhost", dnsmessage.TypeTXT, "")
}

func TestAddressesHaveNames(t *testing.T) {
	b := newBed(t, closed(), "one", "Two")
	b.box("Two", "a", "Web", "10.1.0.2 fd00::2")
	b.wants("2.0.1.10.in-addr.arpa", ptr, "web.two.")
	b.wants("2."+strings.Repeat("0.", 28)+"d.f.ip6.arpa", ptr, "RCodeNameError") // one digit short
	b.wants("2."+strings.Repeat("0.", 29)+"d.f.IP6.arpa", ptr, "web.two.")
	b.wants("3.0.1.10.in-addr.arpa", ptr, "RCodeNameError")
	b.wants("02.0.1.10.in-addr.arpa", ptr, "RCodeNameError")
	b.wants("2.0.1.10.in-addr.arpa", a, "RCodeNameError")
}

func TestLinksAreOneContainersOwn(t *testing.T) {
	id := strings.Repeat("b", 64)
	b := newBed(t, state.NetworkStatus{Closed: true, Links: map[string]string{"Database": id, "web": id, "gone": strings.Repeat("f", 64)}}, "net")
	b.box("net", "a", "web", "10.1.0.2")
	b.box("net", "b", "db", "10.1.0.3")
	b.wants("database", a, "10.1.0.3")
	b.wants("web", a, "10.1.0.3") // it wins
	b.wants("gone", a, "RCodeNameError")
	other := newBed(t, closed(), "net")
	other.wants("database", a, "RCodeNameError")
}

func TestAnswersFollowAtOnce(t *testing.T) {
	b := newBed(t, closed(), "net")
	b.wants("web", a, "RCodeNameError")
	e, claim := b.box("net", "a", "web", "10.1.0.2")
	b.wants("web", a, "10.1.0.2")
	if err := e.Withdraw(); err != nil {
		t.Fatal(err)
	}
	b.wants("web", a, "RCodeNameError")
	b.box("net", "a", "web", "10.1.0.9")
	b.wants("web", a, "10.1.0.9")
	claim.Release() // its monitor was killed
	b.wants("web", a, "RCodeNameError")
	b.box("two", "b", "web", "10.2.0.2")
	b.mu.Lock()
	err := b.r.Follow(state.NetworkStatus{Closed: true, Endpoints: []state.EndpointStatus{{Network: "two", Names: []string{"x"}}}})
	b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	b.wants("web", a, "10.2.0.2")
}

func TestSeveralTakeTurns(t *testing.T) {
	b := newBed(t, closed(), "net")
	for i, d := range []string{"a", "b", "c"} {
		b.box("net", d, "box"+d, fmt.Sprintf("10.1.0.%d", i+2), "all")
	}
	first := map[string]int{}
	for range 90 {
		got, err := ask(b.addr, "udp", query("all", a, 0))
		if err != nil {
			t.Fatal(err)
		}
		s := strings.Fields(show(t, got))
		first[s[0]]++
		if slices.Sort(s); strings.Join(s, " ") != "10.1.0.2 10.1.0.3 10.1.0.4" {
			t.Fatalf("got %q", s)
		}
	}
	for addr, n := range first {
		if n < 10 || len(first) != 3 {
			t.Errorf("%s was the first %d times of 90 (%v)", addr, n, first)
		}
	}
}

func TestLongAnswers(t *testing.T) {
	b := newBed(t, closed(), "net")
	for i := range 100 {
		b.box("net", fmt.Sprintf("%02x", i), "box", fmt.Sprintf("10.1.0.%d", i+2), "all")
	}
	for _, c := range []struct {
		network   string
		size      int
		addresses int
		truncated bool
	}{
		{"udp", 0, (512 - 21) / 16, true},
		{"udp", 100, (512 - 21 - 11) / 16, true},
		{"udp", 1232, (1232 - 21 - 11) / 16, true},
		{"udp", 4096, 100, false},
		{"tcp", 0, 100, false},
		{"tcp", 512, 100, false},
	} {
		got, err := ask(b.addr, c.network, query("all", a, c.size))
		if err != nil {
			t.Fatal(err)
		}
		s := strings.Fields(show(t, got))
		if truncated := s[len(s)-1] == "truncated"; truncated != c.truncated {
			t.Errorf("%+v: truncated %v", c, truncated)
		} else if truncated {
			s = s[:len(s)-1]
		}
		if len(s) != c.addresses {
			t.Errorf("%+v: %d addresses", c, len(s))
		}
		if limit := max(c.size, 512); c.network == "udp" && len(got) > limit {
			t.Errorf("%+v: %d bytes", c, len(got))
		}
	}
}

func TestWhatIsNoQuestion(t *testing.T) {
	b := newBed(t, closed(), "net")
	b.box("net", "a", "web", "10.1.0.2")
	good := query("web", a, 1232)
	with := func(change func(b []byte) []byte) []byte { return change(slices.Clone(good)) }
	for name, c := range map[string]struct {
		msg  []byte
		want dnsmessage.RCode
	}{
		"no question":      {with(func(b []byte) []byte { b[5] = 0; return b }), dnsmessage.RCodeFormatError},
		"two questions":    {with(func(b []byte) []byte { b[5] = 2; return b }), dnsmessage.RCodeFormatError},
		"a pointer":        {append(slices.Clone(good[:12]), 0xc0, 12, 0, 1, 0, 1), dnsmessage.RCodeFormatError},
		"cut":              {good[:15], dnsmessage.RCodeFormatError},
		"half an OPT":      {good[:len(good)-3], dnsmessage.RCodeFormatError},
		"an update":        {with(func(b []byte) []byte { b[2] |= 5 << 3; return b }), dnsmessage.RCodeNotImplemented},
		"a later EDNS":     {with(func(b []byte) []byte { b[len(b)-5] = 1; return b }), dnsmessage.RCodeSuccess},
		"another class":    {with(func(b []byte) []byte { b[20] = 3; return b }), dnsmessage.RCodeNameError},
		"a name too long":  {append(slices.Clone(good[:12]), []byte(strings.Repeat("\x3f"+strings.Repeat("a", 63), 4)+"\x00\x00\x01\x00\x01")...), dnsmessage.RCodeFormatError},
		"a dot in a label": {append(append(slices.Clone(good[:11]), 0), []byte("\x07web.net\x00\x00\x01\x00\x01")...), dnsmessage.RCodeNameError},
		"a dot and a path": {append(append(slices.Clone(good[:11]), 0), []byte("\x0b../../names\x00\x00\x01\x00\x01")...), dnsmessage.RCodeNameError},
		"the root":         {append(append(slices.Clone(good[:11]), 0), []byte("\x00\x00\x01\x00\x01")...), dnsmessage.RCodeNameError},
	} {
		for _, network := range []string{"udp", "tcp"} {
			got, err := ask(b.addr, network, c.msg)
			if err != nil {
				t.Errorf("%s over %s: %v", name, network, err)
				continue
			}
			var m dnsmessage.Message
			if strings.HasPrefix(name, "a dot") { // dnsmessage takes none
				m.Header.ID, m.RCode = uint16(got[0])<<8|uint16(got[1]), dnsmessage.RCode(got[3]&15)
			} else if err := m.Unpack(got); err != nil {
				t.Errorf("%s over %s: %v", name, network, err)
			}
			if m.RCode != c.want || len(m.Answers) > 0 || m.ID != 4711 {
				t.Errorf("%s over %s: %+v", name, network, m)
			}
			if name == "a later EDNS" && (len(m.Additionals) != 1 || m.Additionals[0].Header.ExtendedRCode(m.RCode) != 16) {
				t.Errorf("a later EDNS: %+v", m)
			}
		}
	}
	// Nothing is said to an answer, nor to what is too long or too short.
	for name, msg := range map[string][]byte{
		"an answer": with(func(b []byte) []byte { b[2] |= 0x80; return b }), "short": good[:11], "nothing": nil,
		"long": append(slices.Clone(good), make([]byte, maxQuery)...),
	} {
		c, err := net.Dial("udp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(msg)
		c.Write(query("web", aaaa, 0))
		c.SetDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 600)
		n, err := c.Read(buf)
		if err != nil || show(t, buf[:n]) != "" {
			t.Errorf("%s: %x, %v", name, buf[:n], err)
		}
		c.Close()
	}
}

// TestGarbage: nothing that a container can send has the resolver make garbage, or
// take memory that it does not give back.
func TestGarbage(t *testing.T) {
	b := newBed(t, closed(), "net")
	b.box("net", "a", "web", "10.1.0.2 fd00::2")
	b.mu.Lock() // the test turns it
	defer b.mu.Unlock()
	r := b.r
	r.limit = 1e9
	c, err := net.Dial("udp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fd := -1
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(s uintptr) { fd = int(s) })
	buf := make([]byte, 600)
	for name, msg := range map[string][]byte{
		"a name": query("web", a, 0), "a name with EDNS": query("web", aaaa, 1232), "an address": query("2.0.1.10.in-addr.arpa", ptr, 0),
		"unknown": query("nobody", a, 0), "cut": query("web", a, 0)[:14],
	} {
		if n := testing.AllocsPerRun(200, func() {
			unix.Write(fd, msg)
			r.Turn()
			if n, _ := unix.Read(fd, buf); n < 12 {
				t.Errorf("%s: no answer", name)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestTooManyQuestions(t *testing.T) {
	b := newBed(t, closed(), "net")
	b.box("net", "a", "web", "10.1.0.2")
	c, err := net.Dial("udp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b.mu.Lock()
	b.r.limit = 1000
	b.mu.Unlock()
	answers := make(chan int, 1)
	go func() {
		buf, n := make([]byte, 600), 0
		for {
			c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			if _, err := c.Read(buf); err != nil {
				answers <- n
				return
			}
			n++
		}
	}()
	began := time.Now()
	msg := query("web", a, 0)
	for time.Since(began) < time.Second {
		c.Write(msg)
	}
	took := time.Since(began) + 500*time.Millisecond
	if n := <-answers; n < burst/2 || n > burst+int(took.Seconds()*1000)+200 {
		t.Errorf("%d answers in %v, with %d at once and 1000 a second", n, took, burst)
	}
	b.wants("web", a, "10.1.0.2") // and all is well again
}

func TestManyConnections(t *testing.T) {
	b := newBed(t, closed(), "net")
	b.box("net", "a", "web", "10.1.0.2")
	var all []net.Conn
	for range 3 * maxConns {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
		c.Write([]byte{0}) // half a length
	}
	b.wants("web", a, "10.1.0.2")
	all[0].SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := all[0].Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest connection is open: %v", err)
	}
	// Two questions in one piece, on the newest.
	c := all[len(all)-1]
	one := query("web", a, 0)
	two := append([]byte{byte(len(one))}, one...)
	two = append(append(two, 0, byte(len(one))), one...)
	c.Write(two)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	buf, n := make([]byte, 600), 0
	for n < 2*(2+len(one)+16) {
		k, err := c.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	size := int(buf[1])
	if show(t, buf[2:2+size]) != "10.1.0.2" || show(t, buf[4+size:n]) != "10.1.0.2" {
		t.Errorf("got %x", buf[:n])
	}
}

// TestClose: no descriptor is left.
func TestClose(t *testing.T) {
	count := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	before := count()
	for range 3 {
		t.Run("", func(t *testing.T) {
			b := newBed(t, closed(), "net")
			c, err := net.Dial("tcp", b.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			b.wants("web", a, "RCodeNameError")
		})
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// BenchmarkUDP is one question of one client at a time.
func BenchmarkUDP(b *testing.B) {
	bed := newBed(b, closed(), "net")
	bed.box("net", "a", "web", "10.1.0.2")
	bed.mu.Lock()
	bed.r.limit = 1e9
	bed.mu.Unlock()
	c, err := net.Dial("udp", bed.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	msg, buf := query("web", a, 1232), make([]byte, 600)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(msg)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "questions/s")
}
