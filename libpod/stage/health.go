package stage

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/runtime/health"
	"skiff/runtime/sandbox"
	"skiff/runtime/wire"
)

// check carries out one health check of a container: descriptor 3 says which. It
// gives the outcome as the exit status.
func check(e *libpod.Engine) int {
	// Without a monitor the container is lost, and nobody may write its record.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return report(err)
	}
	o, err := wire.ReadCheck(monitorFD)
	if err != nil {
		return report(err)
	}
	if err := limitFiles(o.OpenFiles); err != nil {
		return report(err)
	}
	return health.Run(o, func(command json.RawMessage, out *os.File) (health.Program, error) {
		var req libpod.ExecRequest
		if err := json.Unmarshal(command, &req); err != nil {
			return nil, fmt.Errorf("cannot understand the request: %w", err)
		}
		box, opt, err := furtherProgram(e, o.Launch.ID, req)
		if err != nil {
			return nil, err
		}
		opt.Stdout, opt.Stderr = out, out
		return box.Exec(opt)
	}).ExitStatus()
}

// limitFiles sets the soft limit of open files to that which the command is to have:
// the monitor started this process with its own.
func limitFiles(soft uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || soft == 0 || soft > l.Max {
		return err
	}
	l.Cur = soft
	return syscall.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

// furtherProgram gives the sandbox of a container and how to run a further program there.
func furtherProgram(e *libpod.Engine, id string, req libpod.ExecRequest) (*sandbox.Sandbox, sandbox.ExecOptions, error) {
	box, err := sandbox.Load(e.Roots.Sandboxes(), id)
	if err != nil {
		return nil, sandbox.ExecOptions{}, err
	}
	o, err := e.ExecOptions(box, id, req)
	if err != nil {
		return nil, o, err
	}
	o.User, err = execUser(e, id, o.User)
	return box, o, err
}
