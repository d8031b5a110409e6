package resolver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Sizes of messages (RFC 1035, RFC 6891), in bytes.
const (
	headerSize   = 12
	maxMessage   = 65535
	classicLimit = 512  // over UDP, without EDNS
	ednsLimit    = 4096 // over UDP, whatever the client says
	optSize      = 11   // an OPT record without options
	maxName      = 253  // with dots, without the one at the end
)

// Bits of the header's second pair of bytes.
const (
	flagResponse  = 0x8000
	flagTruncated = 0x0200
	flagRecursion = 0x0100 // desired
	flagAvailable = 0x0080
	maskOpcode    = 0x7800
	maskCode      = 0x000f
)

// Response codes.
type code uint16

const (
	noError        code = 0
	formatError    code = 1
	serverFailure  code = 2
	nameError      code = 3
	notImplemented code = 4
	refused        code = 5
	badVersion     code = 16 // its upper bits are in the OPT record
)

// Types and classes of records.
const (
	typeA    = 1
	typePTR  = 12
	typeAAAA = 28
	typeOPT  = 41
	typeANY  = 255
	classIN  = 1
)

// ttl is how many seconds an answer about a container may be kept. Containers come
// and go at once, so that should be none; a second spares a program that asks for
// each of its connections, and is over before anybody can tell.
const ttl = 1

// question is what a client asks. Its slices are parts of the message and of the
// buffer that it was parsed with.
type question struct {
	msg  []byte // the whole message
	end  int    // of the question in it
	name []byte // in lower case, parts separated by dots, no dot at the end
	// plain says that no part of the name has a dot in it.
	plain       bool
	kind, class uint16
	edns        bool
	version     byte
	size        int // of answers over UDP that the client takes
}

// parse reads a query strictly: one question, whose name is not compressed, and
// records that are whole. ok is false for what nobody waits for an answer to;
// with any code but noError the client is told that.
//
// It is no general parser because it must make no garbage, also from garbage: a
// container can send as much of it as it likes.
func (q *question) parse(msg []byte, name *[256]byte) (c code, ok bool) {
	*q = question{msg: msg, size: classicLimit}
	if len(msg) < headerSize {
		return 0, false
	}
	flags := binary.BigEndian.Uint16(msg[2:])
	if flags&flagResponse != 0 {
		return 0, false
	}
	if flags&maskOpcode != 0 {
		return notImplemented, true
	}
	if binary.BigEndian.Uint16(msg[4:]) != 1 || !q.parseQuestion(name) {
		q.end = 0
		return formatError, true
	}
	if !q.parseRecords() {
		return formatError, true
	}
	if q.version > 0 {
		return badVersion, true
	}
	return noError, true
}

func (q *question) parseQuestion(name *[256]byte) bool {
	n, at := 0, headerSize
	q.plain = true
	for {
		if at >= len(q.msg) {
			return false
		}
		size := int(q.msg[at])
		at++
		if size == 0 {
			break
		}
		if size > 63 || at+size > len(q.msg) || n+size+1 > maxName {
			return false
		}
		if n > 0 {
			name[n] = '.'
			n++
		}
		for _, c := range q.msg[at : at+size] {
			q.plain = q.plain && c != '.'
			name[n] = lower(c)
			n++
		}
		at += size
	}
	if at+4 > len(q.msg) {
		return false
	}
	q.name = name[:n]
	q.kind, q.class = binary.BigEndian.Uint16(q.msg[at:]), binary.BigEndian.Uint16(q.msg[at+2:])
	q.end = at + 4
	return true
}

// parseRecords looks for the OPT record.
func (q *question) parseRecords() bool {
	n, at := 0, q.end
	additional := int(binary.BigEndian.Uint16(q.msg[10:]))
	for i := 6; i < headerSize; i += 2 {
		n += int(binary.BigEndian.Uint16(q.msg[i:]))
	}
	for ; n > 0; n-- {
		start := at
		if at = skipName(q.msg, at); at < 0 || at+10 > len(q.msg) {
			return false
		}
		fixed := q.msg[at : at+10]
		if at += 10 + int(binary.BigEndian.Uint16(fixed[8:])); at > len(q.msg) {
			return false
		}
		if n > additional || binary.BigEndian.Uint16(fixed) != typeOPT {
			continue
		}
		if q.edns || q.msg[start] != 0 {
			return false
		}
		q.edns, q.version = true, fixed[5]
		q.size = max(classicLimit, min(int(binary.BigEndian.Uint16(fixed[2:])), ednsLimit))
	}
	return true
}

// skipName is the end of the name at a place in the message, or -1.
func skipName(msg []byte, at int) int {
	for at < len(msg) {
		switch size := int(msg[at]); {
		case size == 0:
			return at + 1
		case size >= 0xc0: // the rest is elsewhere
			if at+2 > len(msg) {
				return -1
			}
			return at + 2
		case size > 63:
			return -1
		default:
			at += 1 + size
		}
	}
	return -1
}

// reply is an answer that is being built.
type reply struct {
	buf   []byte // empty, with room for the largest message
	limit int
	opt   int // what the OPT record at the end will take
}

// begin writes header and question. to has no question where it could not be read.
func (p *reply) begin(q *question, c code, limit int) {
	flags := binary.BigEndian.Uint16(q.msg[2:])&(maskOpcode|flagRecursion) | flagResponse | flagAvailable | uint16(c)&maskCode
	b := append(p.buf[:0], q.msg[:headerSize]...)
	clear(b[4:])
	binary.BigEndian.PutUint16(b[2:], flags)
	if q.end > 0 {
		b = append(b, q.msg[headerSize:q.end]...)
		b[5] = 1
	}
	p.buf, p.limit, p.opt = b, limit, 0
	if q.edns {
		p.opt = optSize
	}
}

// room is how many records of a size fit.
func (p *reply) room(size int) int {
	return max(0, (p.limit-p.opt-len(p.buf))/size)
}

// record adds one about the question's name, or says with the bit for it that there
// was no room.
func (p *reply) record(kind uint16, data []byte) {
	if len(p.buf)+12+len(data)+p.opt > p.limit {
		p.truncate()
		return
	}
	b := append(p.buf, 0xc0, headerSize) // the name is there
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, classIN)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	p.buf = append(b, data...)
	binary.BigEndian.PutUint16(b[6:], binary.BigEndian.Uint16(b[6:])+1)
}

func (p *reply) truncate() { p.buf[2] |= flagTruncated >> 8 }

func (p *reply) address(a netip.Addr) {
	if a.Is4() {
		b := a.As4()
		p.record(typeA, b[:])
		return
	}
	b := a.As16()
	p.record(typeAAAA, b[:])
}

// end adds the OPT record where the client sent one.
func (p *reply) end(q *question, c code) []byte {
	if q.edns {
		p.buf = append(p.buf, 0, 0, typeOPT, ednsLimit>>8, ednsLimit&0xff, byte(c>>4), 0, 0, 0, 0, 0)
		p.buf[11]++
	}
	return p.buf
}

// answers reports whether a message is a server's answer to the query with the
// number id whose question is given. A server that failed may leave the question
// out.
func answers(msg []byte, id uint16, question []byte) bool {
	if len(msg) < headerSize || binary.BigEndian.Uint16(msg) != id {
		return false
	}
	flags := binary.BigEndian.Uint16(msg[2:])
	if flags&flagResponse == 0 || flags&maskOpcode != 0 {
		return false
	}
	if binary.BigEndian.Uint16(msg[4:]) == 0 {
		return flags&maskCode != 0
	}
	return binary.BigEndian.Uint16(msg[4:]) == 1 && len(msg) >= headerSize+len(question) &&
		same(msg[headerSize:headerSize+len(question)], question)
}

// same compares two questions, whose names may differ in case.
func same(a, b []byte) bool {
	for i := range a {
		if a[i] != b[i] && (i >= len(a)-4 || lower(a[i]) != lower(b[i])) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func codeOf(msg []byte) code { return code(binary.BigEndian.Uint16(msg[2:]) & maskCode) }

// cut shortens an answer to header and question where it is too long for the
// client, which then asks over TCP.
func cut(msg []byte, question, limit int) []byte {
	if len(msg) <= limit {
		return msg
	}
	if binary.BigEndian.Uint16(msg[4:]) == 0 {
		question = 0
	}
	msg = msg[:headerSize+question]
	msg[2] |= flagTruncated >> 8
	clear(msg[6:headerSize])
	return msg
}

// reverse gives the address that a name in in-addr.arpa or ip6.arpa is about, as
// text in buf.
func reverse(name []byte, buf *[64]byte) ([]byte, bool) {
	if rest, ok := bytes.CutSuffix(name, []byte(".in-addr.arpa")); ok {
		return reverse4(rest, buf)
	}
	if rest, ok := bytes.CutSuffix(name, []byte(".ip6.arpa")); ok {
		return reverse6(rest, buf)
	}
	return nil, false
}

func reverse4(name []byte, buf *[64]byte) ([]byte, bool) {
	var a [4]byte
	for i := 3; i >= 0; i-- {
		part, rest, more := bytes.Cut(name, []byte{'.'})
		if more != (i > 0) || len(part) == 0 || len(part) > 3 || len(part) > 1 && part[0] == '0' {
			return nil, false
		}
		n := 0
		for _, c := range part {
			if c < '0' || c > '9' {
				return nil, false
			}
			n = n*10 + int(c-'0')
		}
		if n > 255 {
			return nil, false
		}
		a[i], name = byte(n), rest
	}
	return netip.AddrFrom4(a).AppendTo(buf[:0]), true
}

func reverse6(name []byte, buf *[64]byte) ([]byte, bool) {
	if len(name) != 63 {
		return nil, false
	}
	var a [16]byte
	for i := range 32 {
		c := name[2*i]
		switch {
		case i > 0 && name[2*i-1] != '.':
			return nil, false
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return nil, false
		}
		a[15-i/2] |= c << (4 * (i % 2))
	}
	return netip.AddrFrom16(a).AppendTo(buf[:0]), true
}
