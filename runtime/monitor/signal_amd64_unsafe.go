//go:build amd64

package monitor

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Package os/signal keeps three threads waiting, some 150 KiB in every monitor.
// This handler does all that is needed here, a write to an eventfd, without the
// Go runtime's help; so it must not be Go code.

// signalFD is the eventfd of the handler in signal_amd64.s.
var signalFD int32

// handlerAddress and restorerAddress give the handler's address and that of the
// code that the kernel has a handler return to.
func handlerAddress() uintptr
func restorerAddress() uintptr

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// catchSignals has the signals counted on an eventfd, see termMark.
func catchSignals(fd int) error {
	signalFD = int32(fd)
	const onStack, restart, withRestorer = 0x08000000, 0x10000000, 0x04000000 // SA_…
	sa := sigaction{
		handler: handlerAddress(), restorer: restorerAddress(), mask: ^uint64(0),
		flags: onStack | restart | withRestorer,
	}
	for _, sig := range []unix.Signal{unix.SIGCHLD, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&sa)), 0, 8, 0, 0)
		if errno != 0 {
			return fmt.Errorf("cannot catch signals: %w", errno)
		}
	}
	return nil
}
