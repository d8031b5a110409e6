package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/system"

	"skiff/runtime/spec"
)

// ExecOptions describe a further program to run in a sandbox.
type ExecOptions struct {
	Args []string
	// Env is the whole environment, see spec.Environment.
	Env []string
	Cwd string // absolute; empty is /
	// User is resolved in the container's own files, see spec.ResolveUser and
	// Sandbox.Root.
	User spec.User
	// Capabilities replace the first process's if not nil: the program's bounding,
	// effective and permitted set.
	Capabilities []string
	// NoNewPrivileges replaces the first process's if not nil.
	NoNewPrivileges *bool
	// Stdin, Stdout, Stderr, ConsoleSocket, Rows and Cols: see Options.
	Stdin, Stdout, Stderr *os.File
	ConsoleSocket         *os.File
	Rows, Cols            uint16
	// ExtraFiles become descriptors 3 and up.
	ExtraFiles []*os.File
}

// Process is a program that runs in a sandbox beside the first one. It is a
// child of the calling process, which has to Wait for it.
type Process struct {
	process waiter
	pid     int
	start   uint64
}

// Exec runs a further program in the sandbox. The error is ErrNotFound or
// ErrNotExecutable if the program is to blame, ErrNotRunning if the container
// has ended.
func (s *Sandbox) Exec(o ExecOptions) (*Process, error) {
	if len(o.Args) == 0 || o.Args[0] == "" {
		return nil, errors.New("cannot execute: no command is given")
	}
	if err := s.runs(); err != nil {
		return nil, fmt.Errorf("cannot execute %q: %w", o.Args[0], err)
	}
	if s.foreign != nil {
		return s.foreign.exec(o)
	}
	config := s.container.Config()
	giveStreams(&config, o.Stdin, o.Stdout, o.Stderr)
	p := furtherProcess(o)
	if err := oneProcessor(func() error { return s.container.Start(p) }); err != nil {
		return nil, explain(err, o.Args[0])
	}
	pid, err := p.Pid()
	if err != nil {
		return nil, err
	}
	out := &Process{process: p, pid: pid}
	out.start, _ = startTime(pid) // it may have ended, and still waits to be reaped
	return out, nil
}

func furtherProcess(o ExecOptions) *libcontainer.Process {
	p := &libcontainer.Process{
		Args:            o.Args,
		Env:             o.Env,
		Cwd:             o.Cwd,
		UID:             int(o.User.UID),
		GID:             int(o.User.GID),
		NoNewPrivileges: o.NoNewPrivileges,
		ConsoleHeight:   o.Rows,
		ConsoleWidth:    o.Cols,
		LogLevel:        logLevel,
		ExtraFiles:      o.ExtraFiles,
	}
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	if o.Capabilities != nil {
		p.Capabilities = &configs.Capabilities{Bounding: o.Capabilities, Effective: o.Capabilities, Permitted: o.Capabilities}
	}
	for _, g := range o.User.Groups {
		p.AdditionalGroups = append(p.AdditionalGroups, int(g))
	}
	streams(p, o.Stdin, o.Stdout, o.Stderr, o.ConsoleSocket)
	return p
}

// runs says by error whether the first process is there.
func (s *Sandbox) runs() error {
	stat, err := system.Stat(s.pid)
	if s.pid <= 0 || err != nil || stat.StartTime != s.start || stat.State == system.Zombie || stat.State == system.Dead {
		return ErrNotRunning
	}
	return nil
}

// Pid and PidStart name the process as those of Sandbox do.
func (p *Process) Pid() int         { return p.pid }
func (p *Process) PidStart() uint64 { return p.start }

// Wait waits for the program's end and gives its exit status, 128 plus the
// signal's number if one ended it.
func (p *Process) Wait() (int, error) { return exitCode(p.process.Wait()) }

// Signal sends a signal to the program.
func (p *Process) Signal(sig syscall.Signal) error { return p.process.Signal(sig) }
