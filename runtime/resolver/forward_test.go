package resolver

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"skiff/state"
)

func TestForwardToTheHostsServers(t *testing.T) {
	needsRoot(t)
	b := newBed(t, state.NetworkStatus{}, "net")
	b.box("net", "a", "web", "10.1.0.2")
	s := serve(t, "127.0.1.1", fixed("192.0.2.1"))
	b.hostServers("127.0.1.1")
	b.wants("example.com", a, "192.0.2.1")
	b.wants("web", a, "10.1.0.2")
	b.wants("web", aaaa, "")
	b.wants("9.0.1.10.in-addr.arpa", ptr, "192.0.2.1")
	if got := s.all(); got != "udp example.com. TypeA, tcp example.com. TypeA, udp 9.0.1.10.in-addr.arpa. TypePTR, tcp 9.0.1.10.in-addr.arpa. TypePTR" {
		t.Errorf("asked: %s", got)
	}
	// Another file is read, once it is looked at again.
	serve(t, "127.0.1.2", fixed("192.0.2.2"))
	b.hostServers("127.0.1.2")
	time.Sleep(lookAgain)
	b.wants("example.com", a, "192.0.2.2")
}

func TestNextServer(t *testing.T) {
	needsRoot(t)
	serve(t, "127.0.1.1", failing(dnsmessage.RCodeServerFailure))
	serve(t, "127.0.1.2", failing(dnsmessage.RCodeRefused))
	serve(t, "127.0.1.3", fixed("192.0.2.3"))
	serve(t, "127.0.1.4", func(string, *dnsmessage.Message) [][]byte { return nil })
	serve(t, "127.0.1.5", failing(dnsmessage.RCodeNameError))
	for name, c := range map[string]struct {
		servers []string
		want    string
		most    time.Duration
	}{
		"one that fails":        {[]string{"127.0.1.1", "127.0.1.2", "127.0.1.3"}, "192.0.2.3", tryFor},
		"one that is not there": {[]string{"127.0.1.9", "127.0.1.3"}, "192.0.2.3", tryFor},
		"one that is silent":    {[]string{"127.0.1.4", "127.0.1.3"}, "192.0.2.3", 2 * tryFor},
		"all fail":              {[]string{"127.0.1.1", "127.0.1.2"}, "RCodeRefused", tryFor},
		"none is there":         {[]string{"127.0.1.9"}, "RCodeServerFailure", tryFor},
		"silence":               {[]string{"127.0.1.4"}, "RCodeServerFailure", 2 * allFor},
		"no such name":          {[]string{"127.0.1.5", "127.0.1.3"}, "RCodeNameError", tryFor},
		"none":                  {nil, "RCodeServerFailure", tryFor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, state.NetworkStatus{}, "net")
			b.hostServers(c.servers...)
			for _, network := range []string{"udp", "tcp"} {
				began := time.Now()
				got, err := ask(b.addr, network, query("example.com", a, 1232))
				if err != nil {
					t.Fatalf("%s: %v", network, err)
				}
				if s := show(t, got); s != c.want {
					t.Errorf("%s: got %q want %q", network, s, c.want)
				}
				if took := time.Since(began); took > c.most {
					t.Errorf("%s: took %v", network, took)
				}
			}
			// Who answered in place of another is asked first from then on.
			began := time.Now()
			if ask(b.addr, "udp", query("example.com", a, 0)); c.want == "192.0.2.3" && time.Since(began) > tryFor/2 {
				t.Errorf("the next question took %v", time.Since(began))
			}
		})
	}
}

// TestWrongAnswers: only an answer to the question that was asked is passed on.
func TestWrongAnswers(t *testing.T) {
	needsRoot(t)
	serve(t, "127.0.1.1", func(_ string, m *dnsmessage.Message) [][]byte {
		if len(m.Questions[0].Name.String()) < 5 {
			return nil
		}
		wrong := *m
		wrong.ID++
		fake := fixed("192.0.2.66")("", &wrong)
		other := *m
		other.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil.com."), Type: a, Class: dnsmessage.ClassINET}}
		fake = append(fake, fixed("192.0.2.66")("", &other)...)
		question := *m
		question.Response = false
		fake = append(fake, pack(&question), []byte("junk"), nil)
		return append(fake, fixed("192.0.2.1")("", m)...)
	})
	b := newBed(t, state.NetworkStatus{}, "net")
	b.hostServers("127.0.1.1")
	got, err := ask(b.addr, "udp", query("example.com", a, 0))
	if err != nil || show(t, got) != "192.0.2.1" {
		t.Errorf("got %x, %v", got, err)
	}
	// A server over TCP that says anything else first is not believed at all.
	got, err = ask(b.addr, "tcp", query("example.com", a, 0))
	if err != nil || show(t, got) != "RCodeServerFailure" {
		t.Errorf("got %x, %v", got, err)
	}
}

// TestNumbersAndPortsChange: who does not see the questions cannot guess them.
func TestNumbersAndPortsChange(t *testing.T) {
	needsRoot(t)
	var mu sync.Mutex
	numbers, ports := map[uint16]bool{}, map[string]bool{}
	pc, err := net.ListenPacket("udp", "127.0.1.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		buf := make([]byte, 1000)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			mu.Lock()
			numbers[uint16(buf[0])<<8|uint16(buf[1])], ports[from.String()] = true, true
			mu.Unlock()
			buf[2] |= 0x80
			buf[3] |= 0x80
			pc.WriteTo(buf[:n], from)
		}
	}()
	b := newBed(t, state.NetworkStatus{}, "net")
	b.hostServers("127.0.1.1")
	for range 50 {
		if _, err := ask(b.addr, "udp", query("example.com", a, 0)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(numbers) < 45 || len(ports) < 40 {
		t.Errorf("50 questions had %d numbers and came from %d ports", len(numbers), len(ports))
	}
}

func TestLongForwardedAnswers(t *testing.T) {
	needsRoot(t)
	serve(t, "127.0.1.1", func(network string, m *dnsmessage.Message) [][]byte {
		n := 100
		if m.Questions[0].Name.String() == "huge.com." && network == "tcp" {
			n = 2300 // nearly as long as a message can be
		}
		for i := range n {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: byte(i)}},
			})
		}
		return [][]byte{pack(m)} // whatever the client takes
	})
	b := newBed(t, state.NetworkStatus{}, "net")
	b.hostServers("127.0.1.1")
	got, err := ask(b.addr, "udp", query("large.com", aaaa, 0))
	if err != nil || show(t, got) != "truncated" {
		t.Errorf("got %d bytes %x, %v", len(got), got, err)
	}
	got, err = ask(b.addr, "udp", query("large.com", aaaa, 4096))
	if err != nil || strings.Count(show(t, got), "fd00::") != 100 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	got, err = ask(b.addr, "tcp", query("huge.com", aaaa, 0))
	if err != nil || strings.Count(show(t, got), "fd00::") != 2300 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// TestManyForwards: a container that asks more than others answer keeps the newest
// questions only.
func TestManyForwards(t *testing.T) {
	needsRoot(t)
	s := serve(t, "127.0.1.1", func(_ string, m *dnsmessage.Message) [][]byte {
		if strings.HasPrefix(m.Questions[0].Name.String(), "slow") {
			return nil
		}
		return fixed("192.0.2.1")("", m)
	})
	b := newBed(t, state.NetworkStatus{}, "net")
	b.hostServers("127.0.1.1")
	c, err := net.Dial("udp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3 * maxForwards {
		c.Write(query(fmt.Sprintf("slow%d.com", i), a, 0))
		for deadline := time.Now().Add(5 * time.Second); s.count() <= i-32 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // nobody's socket overflows
		}
	}
	b.wants("example.com", a, "192.0.2.1")
	b.mu.Lock()
	under := 0
	for i := range b.r.forwards {
		if b.r.forwards[i].fd >= 0 {
			under++
		}
	}
	b.mu.Unlock()
	if under < maxForwards-2 {
		t.Errorf("%d are under way", under)
	}
	// The last of them are told that there is no answer.
	c.SetDeadline(time.Now().Add(2 * allFor))
	for n := range maxForwards - 2 {
		buf := make([]byte, 600)
		k, err := c.Read(buf)
		if err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if s := show(t, buf[:k]); s != "RCodeServerFailure" {
			t.Fatalf("got %q", s)
		}
	}
}

// TestNamedServersAreAskedFromInside: one that only the container can reach.
func TestNamedServersAreAskedFromInside(t *testing.T) {
	needsRoot(t)
	outside := serve(t, "127.0.1.1", fixed("192.0.2.1"))
	work, done := make(chan func()), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		for f := range work {
			f()
			done <- struct{}{}
		}
	}()
	defer close(work)
	in := func(f func()) { work <- f; <-done }
	in(func() {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Error(string(out))
		}
	})
	var inside *server
	var udp, tcp int
	var addr string
	in(func() { inside = serve(t, "127.0.1.1", fixed("192.0.2.9")); udp, tcp, addr = sockets(t) })
	bedOn(t, udp, tcp, addr, state.NetworkStatus{Closed: true, Servers: []string{Address, "127.0.1.9", "127.0.1.1"}}, "net")
	for _, network := range []string{"udp", "tcp"} {
		var got []byte
		var err error
		in(func() { got, err = ask(addr, network, query("example.com", a, 0)) })
		if err != nil || show(t, got) != "192.0.2.9" {
			t.Errorf("%s: got %x, %v", network, got, err)
		}
	}
	if got := inside.all(); got != "udp example.com. TypeA, tcp example.com. TypeA" {
		t.Errorf("asked: %s", got)
	}
	if got := outside.all(); got != "" {
		t.Errorf("the host's server was asked: %s", got)
	}
}
