package seccomp

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// decide says what a filter must do, without compiling it.
func decide(f *ScmpFilter, a ScmpArch, d data, names map[int32]string) ScmpAction {
	result, found := f.byDefault, false
	for _, r := range f.rules {
		called := namesOf(r.call, names)
		if len(called) != 1 {
			continue
		}
		n, ok := tableOf(a).numbers()[called[0]]
		if !ok || uint32(n) != d.number {
			continue
		}
		if len(r.conds) == 0 {
			return r.act
		}
		holds := true
		for _, c := range r.conds {
			holds = holds && compare(c, d.args[c.Argument], tableOf(a).narrow)
		}
		if holds && !found {
			result, found = r.act, true
		}
	}
	return result
}

func compare(c ScmpCondition, arg uint64, narrow bool) bool {
	a, b := c.Operand1, c.Operand2
	if narrow {
		arg, a, b = arg&0xffffffff, a&0xffffffff, b&0xffffffff
	}
	switch c.Op {
	case CompareEqual:
		return arg == a
	case CompareNotEqual:
		return arg != a
	case CompareLess:
		return arg < a
	case CompareLessOrEqual:
		return arg <= a
	case CompareGreater:
		return arg > a
	case CompareGreaterEqual:
		return arg >= a
	}
	return arg&a == b
}

// value is one that is likely to be near another.
func value(r *rand.Rand) uint64 {
	near := []uint64{0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1<<32 + 1, 2 << 32, 2<<32 | 1, 1 << 63, ^uint64(0)}
	return near[r.IntN(len(near))]
}

func TestCompiledFilterDecidesLikeItsRules(t *testing.T) {
	archs := []ScmpArch{ArchAMD64, ArchX86, ArchX32, ArchARM64, ArchARM, ArchRISCV64, ArchPPC64LE, ArchLOONGARCH64}
	calls := []string{"read", "write", "clone", "personality", "openat", "kill", "gettid", "mmap", "ioctl", "futex"}
	acts := []ScmpAction{ActAllow, ActErrno.SetReturnCode(1), ActErrno.SetReturnCode(38), ActLog, ActKillProcess, ActTrap}
	r, names := rand.New(rand.NewPCG(1, 2)), nativeNames()
	for round := range 300 {
		f, err := NewFilter(acts[r.IntN(len(acts))])
		if err != nil {
			t.Skip(err)
		}
		for _, a := range archs {
			if err := f.AddArch(a); err != nil {
				t.Fatal(err)
			}
		}
		for range r.IntN(40) {
			call, err := GetSyscallFromName(calls[r.IntN(len(calls))])
			if err != nil {
				t.Fatal(err)
			}
			var conds []ScmpCondition
			for arg := range uint(r.IntN(7)) {
				conds = append(conds, ScmpCondition{arg, ScmpCompareOp(1 + r.IntN(7)), value(r), value(r)})
			}
			if r.IntN(10) == 0 {
				conds = nil
			}
			if err := f.AddRuleConditional(call, acts[r.IntN(len(acts))], conds); err != nil {
				t.Fatal(err)
			}
		}
		program, err := f.compile()
		if err != nil {
			t.Fatal(err)
		}
		for range 3000 {
			a := archs[r.IntN(len(archs))]
			name := calls[r.IntN(len(calls))]
			d := data{audit: tableOf(a).audit, number: uint32(tableOf(a).numbers()[name])}
			if r.IntN(5) == 0 {
				d.number = d.number&x32Bit | r.Uint32N(600)
			}
			if d.number >= x32Bit && a == ArchAMD64 {
				a = ArchX32
			}
			for i := range d.args {
				d.args[i] = value(r)
			}
			if got, _ := run(program, d); got != decide(f, a, d, names) {
				t.Fatalf("round %d, %v, %+v: got %#x, want %#x; rules %+v", round, a, d, got, decide(f, a, d, names), f.rules)
			}
		}
	}
}

func TestOtherArchitecturesEndTheThread(t *testing.T) {
	f, err := NewFilter(ActAllow)
	if err != nil {
		t.Skip(err)
	}
	program, err := f.compile()
	if err != nil {
		t.Fatal(err)
	}
	native, _ := GetNativeArch()
	if got, _ := run(program, data{audit: 0x12345}); got != ActKillThread {
		t.Errorf("an unknown architecture: got %#x", got)
	}
	if got, _ := run(program, data{audit: tableOf(native).audit}); got != ActAllow {
		t.Errorf("the native architecture: got %#x", got)
	}
	if native == ArchAMD64 {
		if got, _ := run(program, data{audit: tableOf(native).audit, number: x32Bit}); got != ActKillThread {
			t.Errorf("x32 without a rule for it: got %#x", got)
		}
		if got, _ := run(program, data{audit: tableOf(native).audit, number: ^uint32(0)}); got != ActAllow {
			t.Errorf("a call that a tracer skips: got %#x", got)
		}
	}
}

func TestCallsThatOnlyOtherArchitecturesHave(t *testing.T) {
	if native, _ := GetNativeArch(); native != ArchAMD64 {
		t.Skip("the numbers below are amd64's and its kin's")
	}
	f, _ := NewFilter(ActErrno.SetReturnCode(1))
	f.AddArch(ArchX86)
	for _, name := range []string{"chown32", "recv", "shmat"} {
		call, err := GetSyscallFromName(name)
		if err != nil {
			t.Fatal(err)
		}
		f.AddRule(call, ActAllow)
	}
	program, err := f.compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		number uint32
		arg    uint64
		want   ScmpAction
	}{
		{212, 0, ActAllow},   // chown32
		{102, 10, ActAllow},  // socketcall(SYS_RECV)
		{102, 1, 0x00050001}, // socketcall(SYS_SOCKET)
		{117, 21, ActAllow},  // ipc(SHMAT)
		{117, 2, 0x00050001}, // ipc(SEMGET)
		{397, 0, ActAllow},   // shmat
		{4, 0, 0x00050001},   // write
	} {
		if got, _ := run(program, data{audit: 0x40000003, number: c.number, args: [6]uint64{c.arg}}); got != c.want {
			t.Errorf("call %d(%d): got %#x, want %#x", c.number, c.arg, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name string
		arch ScmpArch
		want ScmpSyscall
	}{
		{"read", ArchAMD64, 0}, {"read", ArchX86, 3}, {"read", ArchX32, x32Bit}, {"execve", ArchX32, x32Bit | 520},
		{"read", ArchARM64, 63}, {"set_tls", ArchARM, 983045}, {"seccomp", ArchARM64, 277},
	} {
		if got, err := GetSyscallFromNameByArch(c.name, c.arch); got != c.want || err != nil {
			t.Errorf("%s on %v: got %d, %v, want %d", c.name, c.arch, got, err, c.want)
		}
	}
	if _, err := GetSyscallFromName("nonsense"); err == nil {
		t.Error("nonsense is a system call")
	}
	if _, err := GetArchFromString("pdp11"); err == nil {
		t.Error("pdp11 is an architecture")
	}
}

func TestExportIsWhatTheKernelReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := NewFilter(ActAllow)
	if err != nil {
		t.Skip(err)
	}
	if err := f.ExportBPF(w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var got bytes.Buffer
	got.ReadFrom(r)
	program, _ := f.compile()
	if !bytes.Equal(got.Bytes(), encode(program)) || got.Len() != 8*len(program) {
		t.Errorf("got %d bytes, want 8 for each of %d instructions", got.Len(), len(program))
	}
}

func TestGroupCompilesLikeItsRules(t *testing.T) {
	names := []string{"read", "no_such_call", "socketcall", "waitpid", "semop", "openat", "write"}
	compiled := func(add []string) []insn {
		f, err := NewFilter(ActErrno.SetReturnCode(1))
		if err != nil {
			t.Skip(err)
		}
		for _, a := range []ScmpArch{ArchAMD64, ArchX86, ArchX32} {
			if err := f.AddArch(a); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range add {
			if call, err := GetSyscallFromName(name); err == nil {
				f.AddRule(call, ActAllow)
			}
		}
		code, err := f.compile()
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	one := compiled([]string{strings.Join(names, Separator)})
	if each := compiled(names); !slices.Equal(one, each) {
		t.Errorf("a group compiles to %v, its rules to %v", one, each)
	}
	if _, err := GetSyscallFromName("no_such_call,nor_this"); err == nil {
		t.Error("a group of no system calls was found")
	}
	for _, a := range []ScmpArch{ArchAMD64, ArchX86} {
		want, err := GetSyscallFromNameByArch("openat", a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := GetSyscallFromNameByArch("read,openat,no_such_call", a); err != nil || got != want {
			t.Errorf("%v: the largest number is %d (%v), want openat's, %d", a, got, err, want)
		}
	}
}
