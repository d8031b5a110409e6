package resolver

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzParse: what is taken is what dnsmessage reads, too, and every answer can be
// read.
func FuzzParse(f *testing.F) {
	f.Add(query("web", a, 0))
	f.Add(query("a.b-c_d.example.com", aaaa, 1232))
	f.Add(query("2.0.1.10.in-addr.arpa", ptr, 100))
	f.Add(query("2."+strings.Repeat("0.", 29)+"d.f.ip6.arpa", ptr, 65535))
	f.Add(query("web", a, 0)[:13])
	var other question
	f.Fuzz(func(t *testing.T, msg []byte) {
		var name [256]byte
		c, ok := other.parse(msg, &name)
		if !ok {
			return
		}
		var text [64]byte
		if addr, ok := reverse(other.name, &text); ok {
			if _, err := netip.ParseAddr(string(addr)); err != nil {
				t.Errorf("%q is about the address %q", other.name, addr)
			}
		}
		q := &other
		p := reply{buf: make([]byte, 0, 1<<16)}
		p.begin(q, c, q.size)
		if c == noError {
			p.address(netip.IPv6Loopback())
			for range 50 {
				p.address(netip.AddrFrom4([4]byte{10, 1, 0, 2}))
			}
		}
		answer := p.end(q, c)
		if len(answer) > q.size {
			t.Errorf("%d bytes are more than %d", len(answer), q.size)
		}
		if q.end > 0 && !answers(answer, uint16(msg[0])<<8|uint16(msg[1]), msg[headerSize:q.end]) {
			t.Errorf("%x is no answer to %x", answer, msg)
		}
		if !q.plain {
			return // dnsmessage takes no dots in labels
		}
		var got dnsmessage.Message
		if err := got.Unpack(answer); err != nil {
			t.Fatalf("answer %x to %x: %v", answer, msg, err)
		}
		if c != noError {
			return
		}
		var want dnsmessage.Parser
		if _, err := want.Start(msg); err != nil {
			t.Fatalf("%x: %v", msg, err)
		}
		all, err := want.AllQuestions()
		if err != nil || len(all) != 1 {
			t.Fatalf("%x: %v, %v", msg, all, err)
		}
		theirs := strings.TrimSuffix(all[0].Name.String(), ".")
		if !bytes.EqualFold([]byte(theirs), q.name) || uint16(all[0].Type) != q.kind || uint16(all[0].Class) != q.class {
			t.Errorf("%x: %v, and not %q %d %d", msg, all[0], q.name, q.kind, q.class)
		}
	})
}

// FuzzAnswers: whatever a server says is judged within its bounds.
func FuzzAnswers(f *testing.F) {
	f.Add(query("web", a, 0), 4711, 512)
	f.Add([]byte("123456789012"), 0, 512)
	f.Fuzz(func(t *testing.T, msg []byte, id, limit int) {
		question := query("web", a, 0)[headerSize:]
		if limit < classicLimit || !answers(msg, uint16(id), question) {
			return
		}
		if cut := cut(msg, len(question), limit); len(cut) > limit {
			t.Errorf("%d bytes are more than %d", len(cut), limit)
		}
	})
}
