// Package seccomp compiles filters of system calls to BPF, in Go.
//
// It stands in for github.com/seccomp/libseccomp-golang (see the replace line
// in skiff's go.mod): libcontainer describes a filter through that package's
// names, and these are the ones that it uses. The C library behind the original
// needs about 18 ms for Docker's default profile, more than everything else in
// a container's start together; this takes a fraction of one, makes programs a
// third as long, and knows the system calls of newer kernels. It also means
// that skiff needs no shared library.
//
// A filter decides like libseccomp's: an architecture that it does not name
// ends the thread; a rule without conditions wins over those with; of several
// rules with conditions the first that holds counts; all else gets the default
// action. Not here: loading the program into the kernel, which libcontainer
// does itself.
package seccomp

import (
	"fmt"
	"sync"
	"syscall"
)

// VersionError says that the kernel is too old for something.
type VersionError struct{ Op string }

func (e VersionError) Error() string {
	return fmt.Sprintf("the kernel does not support seccomp's %s", e.Op)
}

// ScmpAction is what happens to a system call: the value that the BPF program
// returns (SECCOMP_RET_*, seccomp(2)).
type ScmpAction uint32

// The actions.
const (
	ActKillThread  ScmpAction = 0x00000000
	ActTrap        ScmpAction = 0x00030000
	ActErrno       ScmpAction = 0x00050000
	ActNotify      ScmpAction = 0x7fc00000
	ActTrace       ScmpAction = 0x7ff00000
	ActLog         ScmpAction = 0x7ffc0000
	ActAllow       ScmpAction = 0x7fff0000
	ActKillProcess ScmpAction = 0x80000000
	ActInvalid     ScmpAction = 0xffffffff
)

// SetReturnCode gives the action with data: the error number of ActErrno, the
// message of ActTrace.
func (a ScmpAction) SetReturnCode(code int16) ScmpAction {
	return a&^0xffff | ScmpAction(uint16(code))
}

// ScmpCompareOp compares an argument of a system call.
type ScmpCompareOp uint

// The comparisons. CompareMaskedEqual: argument & Operand1 == Operand2.
const (
	CompareInvalid ScmpCompareOp = iota
	CompareNotEqual
	CompareLess
	CompareLessOrEqual
	CompareEqual
	CompareGreaterEqual
	CompareGreater
	CompareMaskedEqual
)

// ScmpCondition is one comparison.
type ScmpCondition struct {
	Argument uint // 0 to 5
	Op       ScmpCompareOp
	Operand1 uint64
	Operand2 uint64
}

// MakeCondition makes a comparison with one value, or a mask and a value.
func MakeCondition(arg uint, op ScmpCompareOp, values ...uint64) (ScmpCondition, error) {
	c := ScmpCondition{Argument: arg, Op: op}
	switch {
	case arg > 5:
		return c, fmt.Errorf("system calls have arguments 0 to 5, not %d", arg)
	case op == CompareInvalid || op > CompareMaskedEqual:
		return c, fmt.Errorf("invalid comparison %d", op)
	case len(values) == 0 || len(values) > 2:
		return c, fmt.Errorf("a comparison takes one or two values, not %d", len(values))
	}
	c.Operand1 = values[0]
	if len(values) == 2 {
		c.Operand2 = values[1]
	}
	return c, nil
}

// GetLibraryVersion is the version of libseccomp that this stands for.
func GetLibraryVersion() (major, minor, micro uint) { return 2, 6, 0 }

// Flags of seccomp(2), in the order in which they came.
const (
	flagLog         = 1 << 1
	flagSpecAllow   = 1 << 2
	flagNewListener = 1 << 3
	flagWaitKill    = 1 << 5
)

// GetAPI tells what the kernel supports, in libseccomp's levels: 3 logging, 4
// speculation, 6 notification, 7 killable waiting. See seccomp_api_get(3).
func GetAPI() (uint, error) { return apiLevel(), nil }

var apiLevel = sync.OnceValue(func() uint {
	level := uint(2)
	for _, f := range []struct {
		flag  uintptr
		level uint
	}{{flagLog, 3}, {flagSpecAllow, 4}, {flagNewListener, 6}, {flagWaitKill | flagNewListener, 7}} {
		if !kernelHas(f.flag) {
			break
		}
		level = f.level
	}
	return level
})

// kernelHas asks with a bad address: EFAULT means that the flags were fine.
func kernelHas(flags uintptr) bool {
	const setModeFilter = 1
	number, err := GetSyscallFromNameByArch("seccomp", ArchNative)
	if err != nil {
		return false
	}
	_, _, errno := syscall.RawSyscall(uintptr(number), setModeFilter, flags, 0)
	return errno == syscall.EFAULT
}
