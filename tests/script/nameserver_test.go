package script

import (
	"net"
	"net/netip"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"
)

// cmdNameserver runs a name server at port 53 of an address of the script's
// namespace, over UDP and TCP, until the script ends:
//
//	nameserver ADDRESS NAME=ADDRESS …
//
// A name that it does not know does not exist. large.test has a hundred addresses,
// which do not fit into an answer over UDP.
func cmdNameserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: nameserver ADDRESS NAME=ADDRESS …")
	}
	known := map[string][]netip.Addr{}
	for i := range 100 {
		known["large.test."] = append(known["large.test."], netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	for _, a := range args[1:] {
		name, addr, _ := strings.Cut(a, "=")
		ip, err := netip.ParseAddr(addr)
		ts.Check(err)
		known[name+"."] = append(known[name+"."], ip)
	}
	pc, err := net.ListenPacket("udp", args[0]+":53")
	ts.Check(err)
	l, err := net.Listen("tcp", args[0]+":53")
	ts.Check(err)
	ts.Defer(func() { pc.Close(); l.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(answerName(known, buf[:n], 512), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			if n, _ := c.Read(buf); n > 2 {
				a := answerName(known, buf[2:n], 1<<16)
				c.Write(append([]byte{byte(len(a) >> 8), byte(len(a))}, a...))
			}
			c.Close()
		}
	}()
}

// answerName answers a question of at most so many bytes; what is no question gets
// an empty answer.
func answerName(known map[string][]netip.Addr, query []byte, limit int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	all, ok := known[strings.ToLower(q.Name.String())]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
	for _, a := range all {
		if q.Type == dnsmessage.TypeA && a.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		}
		if q.Type == dnsmessage.TypeAAAA && a.Is6() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	b, err := m.Pack()
	if err == nil && len(b) > limit {
		m.Answers, m.Truncated = nil, true
		b, err = m.Pack()
	}
	if err != nil {
		return nil
	}
	return b
}
