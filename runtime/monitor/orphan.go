package monitor

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

// orphan does what wire.Prepare.Orphan asks for: another process is the monitor
// then, and this one ends.
func orphan() error {
	program, err := os.Executable() // not /proc/self/exe, which would be the name in process lists
	if err != nil {
		return fmt.Errorf("cannot start the monitor: %w", err)
	}
	attr := &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2, launchFD}, Env: os.Environ(), Sys: &syscall.SysProcAttr{Setsid: true},
	}
	pid, err := syscall.ForkExec(program, os.Args, attr)
	if err != nil {
		return fmt.Errorf("cannot start the monitor: %w", err)
	}
	if err := wire.SendFDs(launchFD, wire.KindSpawned, wire.Spawned{Pid: pid}, nil); err != nil {
		unix.Kill(pid, unix.SIGKILL) // our child, which is not reaped
		return err
	}
	return nil
}
