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
	attr := &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2, launchFD}, Env: os.Environ(), Sys: &syscall.SysProcAttr{Setsid: true},
	}
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, attr)
	if err != nil {
		return fmt.Errorf("cannot start the monitor: %w", err)
	}
	if err := wire.SendFDs(launchFD, wire.KindSpawned, wire.Spawned{Pid: pid}, nil); err != nil {
		unix.Kill(pid, unix.SIGKILL) // our child, which is not reaped
		return err
	}
	return nil
}
