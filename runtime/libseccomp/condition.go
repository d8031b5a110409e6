package seccomp

// code tries the chains in order and ends with the leaf's action.
func (l leaf) code(narrow bool) []insn {
	out := []insn{{op: opRet, k: uint32(l.act)}}
	for i := len(l.chains) - 1; i >= 0; i-- {
		c := l.chains[i]
		out = append(chain(c.conds, c.act, narrow), out...)
	}
	return out
}

// chain returns act if all conditions hold and falls off its end otherwise.
func chain(conds []ScmpCondition, act ScmpAction, narrow bool) []insn {
	out := []insn{{op: opRet, k: uint32(act)}}
	for i := len(conds) - 1; i >= 0; i-- {
		// What follows the test is skipped where it fails. Six conditions are at
		// most 37 instructions, so every jump is short; a caller that gives more
		// gives an argument twice, which libcontainer makes into several chains.
		out = append(test(conds[i], uint8(len(out)), narrow), out...)
	}
	return out
}

// test falls off its end if the condition holds and skips fail instructions
// more if it does not.
func test(c ScmpCondition, fail uint8, narrow bool) []insn {
	low := insn{op: opLoad, k: offArgs + 8*uint32(c.Argument)}
	high := insn{op: opLoad, k: low.k + 4} // all architectures here are little-endian
	value, mask := c.Operand1, ^uint64(0)
	if c.Op == CompareMaskedEqual {
		mask, value = c.Operand1, c.Operand2
	}
	lowTest := compareLow(c.Op, uint32(value), uint32(mask), fail)
	lowCode := append([]insn{low}, lowTest...)
	if narrow {
		return lowCode
	}
	n := uint8(len(lowCode))
	h := uint32(value >> 32)
	var highTest []insn
	switch c.Op {
	case CompareEqual:
		highTest = []insn{{op: opJEQ, k: h, jf: n + fail}}
	case CompareNotEqual: // already different: holds
		highTest = []insn{{op: opJEQ, k: h, jf: n}}
	case CompareMaskedEqual:
		highTest = []insn{{op: opAnd, k: uint32(mask >> 32)}, {op: opJEQ, k: h, jf: n + fail}}
	case CompareGreater, CompareGreaterEqual: // a greater high word holds, a smaller one fails
		highTest = []insn{{op: opJGT, k: h, jt: n + 1}, {op: opJEQ, k: h, jf: n + fail}}
	case CompareLess, CompareLessOrEqual:
		highTest = []insn{{op: opJGT, k: h, jt: n + 1 + fail}, {op: opJEQ, k: h, jf: n}}
	}
	return append(append([]insn{high}, highTest...), lowCode...)
}

// compareLow tests the low word in A.
func compareLow(op ScmpCompareOp, value, mask uint32, fail uint8) []insn {
	switch op {
	case CompareEqual:
		return []insn{{op: opJEQ, k: value, jf: fail}}
	case CompareNotEqual:
		return []insn{{op: opJEQ, k: value, jt: fail}}
	case CompareMaskedEqual:
		return []insn{{op: opAnd, k: mask}, {op: opJEQ, k: value, jf: fail}}
	case CompareGreater:
		return []insn{{op: opJGT, k: value, jf: fail}}
	case CompareGreaterEqual:
		return []insn{{op: opJGE, k: value, jf: fail}}
	case CompareLess:
		return []insn{{op: opJGE, k: value, jt: fail}}
	default: // CompareLessOrEqual; MakeCondition lets no other in
		return []insn{{op: opJGT, k: value, jt: fail}}
	}
}
