package seccomp

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// insn is one instruction of classic BPF, see linux/filter.h.
type insn struct {
	op     uint16
	jt, jf uint8
	k      uint32
}

// The instructions that are used.
const (
	opLoad = 0x20 // A = word at k of struct seccomp_data
	opAnd  = 0x54 // A &= k
	opJump = 0x05 // skip k
	opJEQ  = 0x15
	opJGT  = 0x25
	opJGE  = 0x35
	opRet  = 0x06
)

// Offsets in struct seccomp_data, see seccomp(2).
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// most is how many instructions the kernel takes (BPF_MAXINSNS).
const most = 4096

var errTooLong = errors.New("the seccomp profile has too many rules")

// compile makes the whole program: by architecture, then by number.
func (f *ScmpFilter) compile() ([]insn, error) {
	type section struct {
		audit uint32
		code  []insn
	}
	var sections []section
	for _, a := range f.archs {
		t := tableOf(a)
		if slices.ContainsFunc(sections, func(s section) bool { return s.audit == t.audit }) {
			continue // x32 goes with amd64
		}
		sections = append(sections, section{t.audit, f.section(a)})
	}
	program := []insn{{op: opRet, k: uint32(ActKillThread)}}
	for _, s := range slices.Backward(sections) {
		program = slices.Concat(branch(insn{op: opJEQ, k: s.audit}, s.code, program))
	}
	program = append([]insn{{op: opLoad, k: offArch}}, program...)
	if len(program) > most {
		return nil, errTooLong
	}
	return program, nil
}

// branch is code that goes on with yes where the test holds and with no where
// it does not. Neither may fall off its end.
func branch(test insn, yes, no []insn) []insn {
	out := make([]insn, 0, 2+len(yes)+len(no))
	if len(yes) <= 255 {
		test.jf = uint8(len(yes))
		out = append(out, test)
	} else { // too far for a conditional jump
		test.jt = 1
		out = append(out, test, insn{op: opJump, k: uint32(len(yes))})
	}
	return append(append(out, yes...), no...)
}

// section decides for one architecture, and x32 with amd64.
func (f *ScmpFilter) section(a ScmpArch) []insn {
	var code []insn
	switch a {
	case ArchAMD64, ArchX32:
		// Without a rule for x32 its numbers are those of an unknown architecture,
		// except -1, by which a tracer skips a call.
		x32 := []span{{first: 0, leaf: leaf{act: ActKillThread}}, {first: 0xffffffff, leaf: leaf{act: f.byDefault}}}
		if slices.Contains(f.archs, ArchX32) {
			x32 = f.spans(ArchX32)
		}
		amd64 := []span{{leaf: leaf{act: ActKillThread}}}
		if slices.Contains(f.archs, ArchAMD64) {
			amd64 = f.spans(ArchAMD64)
		}
		code = branch(insn{op: opJGE, k: x32Bit}, f.tree(x32, true), f.tree(amd64, false))
	default:
		code = f.tree(f.spans(a), tableOf(a).narrow)
	}
	return append([]insn{{op: opLoad, k: offNumber}}, code...)
}

// leaf is what happens to a system call: the first chain whose conditions hold,
// or act.
type leaf struct {
	act    ScmpAction
	chains []rule
}

func (l leaf) same(o leaf) bool { return l.act == o.act && len(l.chains) == 0 && len(o.chains) == 0 }

// span says that system calls from number first on, to the next span, have the
// same leaf.
type span struct {
	first uint32
	leaf  leaf
}

// spans cuts an architecture's numbers into ranges, in order. The first begins
// at 0.
func (f *ScmpFilter) spans(a ScmpArch) []span {
	out := make([]span, 1, 128)
	out[0].leaf.act = f.byDefault
	add := func(first uint32, l leaf) {
		last := &out[len(out)-1]
		switch {
		case last.leaf.same(l):
		case last.first == first:
			last.leaf = l
			if n := len(out); n > 1 && out[n-2].leaf.same(l) {
				out = out[:n-1]
			}
		default:
			out = append(out, span{first, l})
		}
	}
	said := f.said(a)
	for len(said) > 0 {
		n, l := said[0].number, leaf{act: f.byDefault}
		for settled := false; len(said) > 0 && said[0].number == n; said = said[1:] {
			switch r := said[0].rule; {
			case settled:
			case len(r.conds) == 0:
				l, settled = leaf{act: r.act}, true
			default:
				l.chains = append(l.chains, r)
			}
		}
		add(n, l)
		add(n+1, leaf{act: f.byDefault})
	}
	return out
}

// saying is what a rule says about one number.
type saying struct {
	number uint32
	rule   rule
}

// said gathers the rules by the numbers that the architecture has for their
// calls, sorted; those about one number are in the order of the rules. The first
// without conditions settles the matter.
func (f *ScmpFilter) said(a ScmpArch) []saying {
	out := make([]saying, 0, 512)
	numbers, names := tableOf(a).numbers(), nativeNames()
	also := map[string]multiplex(nil)
	if a == ArchX86 {
		also = multiplexed()
	}
	for _, r := range f.rules {
		for _, name := range namesOf(r.call, names) {
			if n, ok := numbers[name]; ok {
				out = append(out, saying{uint32(n), r})
			}
			if m, ok := also[name]; ok {
				// Its own arguments are behind a pointer there, out of a filter's reach.
				out = append(out, saying{m.number, rule{act: r.act, conds: []ScmpCondition{{Op: CompareEqual, Operand1: uint64(m.call)}}}})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b saying) int { return cmp.Compare(a.number, b.number) })
	return out
}

// tree finds the span of the number in A by bisection.
func (f *ScmpFilter) tree(s []span, narrow bool) []insn {
	if len(s) == 1 {
		return s[0].leaf.code(narrow)
	}
	mid := len(s) / 2
	return branch(insn{op: opJGE, k: s[mid].first}, f.tree(s[mid:], narrow), f.tree(s[:mid], narrow))
}

// encode lays the program out in memory as the kernel reads it.
func encode(program []insn) []byte {
	out := make([]byte, 0, 8*len(program))
	for _, i := range program {
		out = binary.NativeEndian.AppendUint16(out, i.op)
		out = append(out, i.jt, i.jf)
		out = binary.NativeEndian.AppendUint32(out, i.k)
	}
	return out
}
