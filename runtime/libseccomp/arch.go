package seccomp

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ScmpArch is a processor architecture, more exactly one of its sets of system
// calls.
type ScmpArch uint

// The architectures that libcontainer names. Filters can be made for those that
// have a table, see tableOf.
const (
	ArchInvalid ScmpArch = iota
	ArchNative
	ArchX86
	ArchAMD64
	ArchX32
	ArchARM
	ArchARM64
	ArchMIPS
	ArchMIPS64
	ArchMIPS64N32
	ArchMIPSEL
	ArchMIPSEL64
	ArchMIPSEL64N32
	ArchPPC
	ArchPPC64
	ArchPPC64LE
	ArchS390
	ArchS390X
	ArchRISCV64
	ArchLOONGARCH64
)

// x32Bit marks the system calls of x32, which shares its audit number with
// amd64.
const x32Bit = 0x40000000

// table is an architecture's system calls.
type table struct {
	name  string
	audit uint32 // AUDIT_ARCH_*, linux/audit.h
	// narrow: arguments have 32 bits.
	narrow  bool
	numbers func() map[string]int32
}

var tables = [...]table{
	ArchX86:         {"x86", 0x40000003, true, x86Numbers},
	ArchAMD64:       {"amd64", 0xc000003e, false, amd64Numbers},
	ArchX32:         {"x32", 0xc000003e, true, x32Numbers},
	ArchARM:         {"arm", 0x40000028, true, armNumbers},
	ArchARM64:       {"arm64", 0xc00000b7, false, arm64Numbers},
	ArchPPC64LE:     {"ppc64le", 0xc0000015, false, ppc64leNumbers},
	ArchRISCV64:     {"riscv64", 0xc00000f3, false, riscv64Numbers},
	ArchLOONGARCH64: {"loong64", 0xc0000102, false, loong64Numbers},
}

// tableOf gives the table of an architecture, or nil.
func tableOf(a ScmpArch) *table {
	if int(a) >= len(tables) || tables[a].name == "" {
		return nil
	}
	return &tables[a]
}

// The tables are read when they are first used: most runs of skiff use none.
var (
	x86Numbers     = sync.OnceValue(func() map[string]int32 { return parse(numbersX86) })
	amd64Numbers   = sync.OnceValue(func() map[string]int32 { return parse(numbersAMD64) })
	x32Numbers     = sync.OnceValue(makeX32)
	armNumbers     = sync.OnceValue(func() map[string]int32 { return parse(numbersARM) })
	arm64Numbers   = sync.OnceValue(func() map[string]int32 { return parse(numbersARM64) })
	ppc64leNumbers = sync.OnceValue(func() map[string]int32 { return parse(numbersPPC64LE) })
	riscv64Numbers = sync.OnceValue(func() map[string]int32 { return parse(numbersRISCV64) })
	loong64Numbers = sync.OnceValue(func() map[string]int32 { return parse(numbersLOONG64) })
)

// parse reads "name number name number …".
func parse(text string) map[string]int32 {
	out := make(map[string]int32, 512)
	for rest := text; rest != ""; {
		var name, number string
		name, rest, _ = strings.Cut(rest, " ")
		number, rest, _ = strings.Cut(rest, " ")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			panic("seccomp: bad table: " + err.Error())
		}
		out[name] = int32(n)
	}
	return out
}

// makeX32 derives x32 from amd64: the same numbers with a bit set, some of them
// replaced because pointers are narrower, some left out. See
// arch/x86/entry/syscalls/syscall_64.tbl in the kernel.
func makeX32() map[string]int32 {
	out := make(map[string]int32, 512)
	not := strings.Fields(notInX32)
	for name, n := range amd64Numbers() {
		if !slices.Contains(not, name) {
			out[name] = n | x32Bit
		}
	}
	for i, name := range strings.Fields(otherInX32) {
		out[name] = int32(512+i) | x32Bit
	}
	return out
}

const notInX32 = "uselib _sysctl create_module get_kernel_syms query_module nfsservctl set_thread_area " +
	"get_thread_area epoll_ctl_old epoll_wait_old vserver uretprobe uprobe map_shadow_stack"

// otherInX32 have numbers from 512 on.
const otherInX32 = "rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace " +
	"rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid " +
	"set_robust_list get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg " +
	"process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2"

// GetArchFromString finds an architecture by libseccomp's name for it.
func GetArchFromString(name string) (ScmpArch, error) {
	for a := ArchX86; a <= ArchLOONGARCH64; a++ {
		if t := tableOf(a); t != nil && t.name == strings.ToLower(name) {
			return a, nil
		}
	}
	return ArchInvalid, fmt.Errorf("no seccomp filter can be made for the architecture %q", name)
}

// GetNativeArch is the architecture that this program was built for.
func GetNativeArch() (ScmpArch, error) {
	return native()
}

var native = sync.OnceValues(func() (ScmpArch, error) {
	name := runtime.GOARCH
	if name == "386" {
		name = "x86"
	}
	return GetArchFromString(name)
})

func (a ScmpArch) String() string {
	if t := tableOf(a); t != nil {
		return t.name
	}
	return fmt.Sprintf("architecture %d", uint(a))
}

// ScmpSyscall is a system call: its number on the native architecture, or a
// negative number of our own for one that only others have.
type ScmpSyscall int32

// foreign lists the names that some table has and the native one does not,
// sorted: the pseudo number of the first is -1000.
var foreign = sync.OnceValue(func() []string {
	native, err := GetNativeArch()
	if err != nil {
		return nil
	}
	own := tableOf(native).numbers()
	var out []string
	if native == ArchAMD64 || native == ArchX86 {
		for _, name := range strings.Fields(socketCalls + " " + ipcCalls) {
			if _, ok := own[name]; !ok && name != "-" {
				out = append(out, name)
			}
		}
	}
	for _, a := range kin(native) {
		for name := range tableOf(a).numbers() {
			if _, ok := own[name]; !ok {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
})

const firstForeign = -1000

// kin are the architectures whose programs the native one can run too.
func kin(native ScmpArch) []ScmpArch {
	switch native {
	case ArchAMD64:
		return []ScmpArch{ArchX86, ArchX32}
	case ArchARM64:
		return []ScmpArch{ArchARM}
	}
	return nil
}

// GetSyscallFromName finds a system call by its name, or a group of them, see
// Separator.
func GetSyscallFromName(name string) (ScmpSyscall, error) {
	if strings.Contains(name, Separator) {
		return groups().add(name)
	}
	native, err := GetNativeArch()
	if err != nil {
		return 0, err
	}
	if n, ok := tableOf(native).numbers()[name]; ok {
		return ScmpSyscall(n), nil
	}
	if i, ok := slices.BinarySearch(foreign(), name); ok {
		return ScmpSyscall(firstForeign - i), nil
	}
	return 0, fmt.Errorf("there is no system call %q", name)
}

// GetSyscallFromNameByArch finds the number that a system call has on an
// architecture, or the largest in a group of them.
func GetSyscallFromNameByArch(name string, a ScmpArch) (ScmpSyscall, error) {
	if strings.Contains(name, Separator) {
		return largest(name, a)
	}
	if a == ArchNative {
		var err error
		if a, err = GetNativeArch(); err != nil {
			return 0, err
		}
	}
	t := tableOf(a)
	if t == nil {
		return 0, fmt.Errorf("no seccomp filter can be made for %v", a)
	}
	if n, ok := t.numbers()[name]; ok {
		return ScmpSyscall(n), nil
	}
	return 0, fmt.Errorf("there is no system call %q on %v", name, a)
}
