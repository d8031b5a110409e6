package seccomp

import (
	"encoding/binary"
	"fmt"
)

// data is what a filter looks at: struct seccomp_data.
type data struct {
	number, audit uint32
	args          [6]uint64
}

func (d data) word(off uint32) uint32 {
	var b [64]byte
	binary.LittleEndian.PutUint32(b[0:], d.number)
	binary.LittleEndian.PutUint32(b[4:], d.audit)
	for i, a := range d.args {
		binary.LittleEndian.PutUint64(b[16+8*i:], a)
	}
	return binary.LittleEndian.Uint32(b[off:])
}

// run interprets a program as the kernel does and counts its steps.
func run(program []insn, d data) (result ScmpAction, steps int) {
	var a uint32
	for pc := 0; ; pc++ {
		if pc >= len(program) {
			panic(fmt.Sprintf("the program runs off its end for %+v", d))
		}
		steps++
		i := program[pc]
		taken := i.jf
		switch i.op {
		case opLoad:
			a = d.word(i.k)
			continue
		case opAnd:
			a &= i.k
			continue
		case opJump:
			pc += int(i.k)
			continue
		case opRet:
			return ScmpAction(i.k), steps
		case opJEQ:
			if a == i.k {
				taken = i.jt
			}
		case opJGT:
			if a > i.k {
				taken = i.jt
			}
		case opJGE:
			if a >= i.k {
				taken = i.jt
			}
		default:
			panic(fmt.Sprintf("instruction %#x is not known", i.op))
		}
		pc += int(taken)
	}
}
