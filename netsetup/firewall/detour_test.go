package firewall

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDetour: who asks port 53 of one loopback address gets the answer of another
// port from there, and all else is as it was.
func TestDetour(t *testing.T) {
	private(t)
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	serve := func(addr, says string) string {
		pc, err := net.ListenPacket("udp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp4", pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pc.Close(); l.Close() })
		go func() {
			buf := make([]byte, 100)
			for {
				n, from, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				pc.WriteTo([]byte(says+string(buf[:n])), from)
			}
		}()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, says, strings.Repeat("x", 100_000)) // several packets
				c.Close()
			}
		}()
		return pc.LocalAddr().String()
	}
	hidden := netip.MustParseAddrPort(serve("127.0.0.11:0", "hidden"))
	for _, port := range []uint16{1, hidden.Port()} {
		if err := Detour(hidden.Addr(), 53, port); err != nil {
			t.Fatal(err)
		}
	}
	serve("0.0.0.0:53", "own")
	for addr, want := range map[string]string{"127.0.0.11:53": "hidden", "127.0.0.1:53": "own"} {
		c, err := net.Dial("udp4", addr) // connected: it takes answers from there only
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		for i := range 3 {
			fmt.Fprint(c, i)
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			if got := string(buf[:n]); err != nil || got != fmt.Sprint(want, i) {
				t.Errorf("%s over UDP: got %q, %v", addr, got, err)
			}
		}
		tcp, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		tcp.SetDeadline(time.Now().Add(5 * time.Second))
		if got, err := io.ReadAll(tcp); err != nil || string(got) != want+strings.Repeat("x", 100_000) {
			t.Errorf("%s over TCP: %d bytes, %v", addr, len(got), err)
		}
	}
	golden(t, "detour.golden", strings.ReplaceAll(ruleset(t), fmt.Sprint(hidden.Port()), "PORT"))
}
