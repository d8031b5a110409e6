package spec

import (
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"

	"skiff/runtime/hostfacts"
)

// vm loads an exported program.
func vm(t *testing.T, program []byte) *bpf.VM {
	t.Helper()
	var raw []bpf.RawInstruction
	for ; len(program) >= 8; program = program[8:] {
		raw = append(raw, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(program), Jt: program[2], Jf: program[3],
			K: binary.NativeEndian.Uint32(program[4:]),
		})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program has instructions that libcontainer cannot read")
	}
	m, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// call runs the program on a system call. The machine reads words in network
// order, so they are laid out so.
func call(t *testing.T, m *bpf.VM, arch, number uint32, args ...uint64) uint32 {
	t.Helper()
	d := make([]byte, 64)
	binary.BigEndian.PutUint32(d, number)
	binary.BigEndian.PutUint32(d[4:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(d[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(d[20+8*i:], uint32(a>>32))
	}
	n, err := m.Run(d)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// compiled makes a program of a profile the way libcontainer does.
func compiled(t *testing.T, s *specs.LinuxSeccomp) []byte {
	t.Helper()
	f, err := libseccomp.NewFilter(libseccomp.ActErrno.SetReturnCode(int16(*s.DefaultErrnoRet)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x86", "x32"} {
		a, err := libseccomp.GetArchFromString(name)
		if err != nil {
			t.Fatal(err)
		}
		f.AddArch(a)
	}
	ops := map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
		specs.OpEqualTo: libseccomp.CompareEqual, specs.OpNotEqual: libseccomp.CompareNotEqual,
		specs.OpMaskedEqual: libseccomp.CompareMaskedEqual, specs.OpLessThan: libseccomp.CompareLess,
	}
	for _, rule := range s.Syscalls {
		act := libseccomp.ActAllow
		if rule.Action != specs.ActAllow {
			act = libseccomp.ActErrno.SetReturnCode(int16(*rule.ErrnoRet))
		}
		for _, name := range rule.Names {
			number, err := libseccomp.GetSyscallFromName(name)
			if err != nil {
				continue
			}
			var conds []libseccomp.ScmpCondition
			for _, a := range rule.Args {
				c, err := libseccomp.MakeCondition(a.Index, ops[a.Op], a.Value, a.ValueTwo)
				if err != nil {
					t.Fatal(err)
				}
				conds = append(conds, c)
			}
			if err := f.AddRuleConditional(number, act, conds); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := f.ExportBPF(w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	program, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// The file was written by libseccomp 2.5.4 from the same profile, on Linux 6
// and with CAP_CHOWN only.
func TestDefaultProfileDecidesLikeLibseccomp(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the reference is amd64's")
	}
	s, err := expand(seccomp.DefaultProfile(), []string{"CAP_CHOWN"}, hostfacts.Version{Major: 6, Minor: 18})
	if err != nil || s.DefaultErrnoRet == nil || !slices.Equal(s.Architectures, []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}) {
		t.Fatalf("got %+v, %v", s, err)
	}
	ours := vm(t, compiled(t, s))
	program, err := os.ReadFile("testdata/libseccomp-2.5.4-amd64.bpf")
	if err != nil {
		t.Fatal(err)
	}
	theirs := vm(t, program)
	values := []uint64{0, 1, 8, 40, 102, 0x20000, 0x20008, 0xffffffff, 0x10000000, 0x7e020000, 0x17e020000, 40 | 1<<32, 1 << 63}
	const x32 = 0x40000000
	for _, arch := range []uint32{0xc000003e, 0x40000003, 0xc00000b7, 0} {
		for n := range uint32(449) { // later ones it does not know
			for _, number := range []uint32{n, n | x32, n | 0x80000000} {
				if n == 335 {
					continue // uretprobe, which it does not know either
				}
				for _, v := range values {
					want, got := call(t, theirs, arch, number, v, v, v), call(t, ours, arch, number, v, v, v)
					if got != want {
						t.Errorf("arch %#x, call %d (x32 %v), arguments %#x: got %#x, want %#x", arch, n, number&x32 != 0, v, got, want)
					}
				}
			}
		}
	}
}

func TestProfileRulesForCapabilitiesAndKernels(t *testing.T) {
	has := func(s *specs.LinuxSeccomp, name string) bool {
		return slices.ContainsFunc(s.Syscalls, func(c specs.LinuxSyscall) bool {
			return c.Action == specs.ActAllow && len(c.Args) == 0 && slices.Contains(c.Names, name)
		})
	}
	old, recent := hostfacts.Version{Major: 4, Minor: 7}, hostfacts.Version{Major: 6, Minor: 1}
	for _, c := range []struct {
		name   string
		caps   []string
		kernel hostfacts.Version
		want   bool
	}{
		{"mount", nil, recent, false},
		{"mount", []string{"CAP_SYS_ADMIN"}, recent, true},
		{"ptrace", nil, old, false},
		{"ptrace", nil, recent, true},
		{"ptrace", []string{"CAP_SYS_PTRACE"}, old, true},
		{"read", nil, old, true},
	} {
		s, err := expand(seccomp.DefaultProfile(), c.caps, c.kernel)
		if err != nil {
			t.Fatal(err)
		}
		if got := has(s, c.name); got != c.want {
			t.Errorf("%s with %v on Linux %v: got %v, want %v", c.name, c.caps, c.kernel, got, c.want)
		}
	}
}
