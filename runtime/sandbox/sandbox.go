// Package sandbox makes containers out of runtime specifications: their
// namespaces, cgroups and first process. It is the only importer of
// libcontainer and of its cgroup packages.
//
// A program that links it calls IsInit first thing in main and, if true, Init:
// libcontainer starts the program anew inside the container.
//
// Not here: what a container should be (runtime/spec), its supervision
// (runtime/monitor), and its records (state).
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	_ "github.com/opencontainers/cgroups/devices" // device rules, see devices.go there
	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runc/libcontainer/system"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
)

// Options describe the sandbox to make.
type Options struct {
	ID string
	// StateRoot is the directory that holds one directory of state per sandbox,
	// dirs.Roots.Sandboxes.
	StateRoot string
	Spec      *specs.Spec
	// SystemdCgroup has systemd make the cgroup, as a scope.
	SystemdCgroup bool
	// Rootless says that the program runs in a user namespace that was made for
	// an ordinary user: cgroups that cannot be had are done without.
	Rootless bool
	// Stdin, Stdout and Stderr are the first process's; nil is /dev/null.
	Stdin, Stdout, Stderr *os.File
	// ConsoleSocket is a connected unix socket on which the master of the
	// process's new terminal is sent; the three streams are the terminal then.
	ConsoleSocket *os.File
	// Rows and Cols are the terminal's first size; zero leaves the kernel's.
	Rows, Cols uint16
	// ExtraFiles become descriptors 3 and up.
	ExtraFiles []*os.File
	// Hierarchies are the container's cgroups where they were made before.
	Hierarchies *Hierarchies
	// DevicesMade says that /dev has the standard device nodes already.
	DevicesMade bool
	// NoCgroup leaves the first process in this process's cgroups. Not with Runtime.
	NoCgroup bool
	// Runtime is the path of another OCI runtime to use, such as crun; empty means
	// libcontainer. The calling process adopts orphans from then on.
	Runtime string
	// RuntimeFlags are options for that, without the dashes.
	RuntimeFlags []string
}

// Sandbox is a container that was made. Its methods may be used by one
// goroutine at a time.
type Sandbox struct {
	id        string
	stateRoot string
	// One of the two is set: libcontainer's container, or another runtime's.
	container *libcontainer.Container
	foreign   *foreign
	// process is the first process where this program may wait for it.
	process waiter
	pid     int
	start   uint64
	// cgroups are the directories where they are known from the start.
	cgroups []string
}

// waiter is a process of libcontainer's or of package os.
type waiter interface {
	Wait() (*os.ProcessState, error)
	Signal(os.Signal) error
}

// logLevel has libcontainer's init report only why it failed (log.h, FATAL). By
// default it writes some thirty lines about its progress, which nobody reads.
const logLevel = "1"

// IsInit says whether this program was started as a sandbox's first process.
func IsInit() bool {
	return len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != ""
}

// Init is a sandbox's first process; it ends in the user's program.
func Init() {
	// The process lives for a few milliseconds more: collecting garbage is waste.
	debug.SetGCPercent(-1)
	libcontainer.Init()
}

// Create makes the sandbox. Its first process is ready and waits for Start.
// Whatever was done is undone if it fails; the error is then ErrNotFound or
// ErrNotExecutable if the program is to blame.
func Create(o Options) (*Sandbox, error) {
	if o.Runtime != "" {
		return createForeign(o)
	}
	quiet()
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{
		CgroupName:       o.ID,
		UseSystemdCgroup: o.SystemdCgroup,
		Spec:             o.Spec,
		RootlessCgroups:  o.Rootless || o.NoCgroup, // what is not there is no error then
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the container: %w", err)
	}
	if o.DevicesMade {
		config.Devices = nil
	}
	group(config.Seccomp)
	giveStreams(config, o.Stdin, o.Stdout, o.Stderr)
	c, err := libcontainer.Create(o.StateRoot, o.ID, config)
	if err != nil {
		return nil, fmt.Errorf("cannot make the container: %w", err)
	}
	p := firstProcess(o)
	s := &Sandbox{id: o.ID, stateRoot: o.StateRoot, container: c, process: p}
	if o.Hierarchies != nil {
		s.cgroups = o.Hierarchies.all
	}
	err = s.launch(p)
	if err == nil && o.NoCgroup {
		err = s.leaveCgroups()
	}
	if err != nil {
		if derr := s.Destroy(); derr != nil {
			err = errors.Join(err, derr)
		}
		return nil, explain(err, o.Spec.Process.Args[0])
	}
	return s, nil
}

func (s *Sandbox) launch(p *libcontainer.Process) error {
	if err := oneProcessor(func() error { return s.container.Start(p) }); err != nil {
		return err
	}
	pid, err := p.Pid()
	if err != nil {
		return err
	}
	s.pid = pid
	s.start, err = startTime(pid)
	return err
}

func startTime(pid int) (uint64, error) {
	stat, err := system.Stat(pid)
	return stat.StartTime, err
}

// oneProcessor has the init process that f starts begin with one thread of Go's
// scheduler: libcontainer hands GOMAXPROCS, and nothing else, down to it.
func oneProcessor(f func() error) error {
	const name = "GOMAXPROCS"
	old, set := os.LookupEnv(name)
	os.Setenv(name, "1")
	defer func() {
		if set {
			os.Setenv(name, old)
		} else {
			os.Unsetenv(name)
		}
	}()
	return f()
}

func firstProcess(o Options) *libcontainer.Process {
	sp := o.Spec.Process
	p := &libcontainer.Process{
		Args:            sp.Args,
		Env:             sp.Env,
		Cwd:             sp.Cwd,
		UID:             int(sp.User.UID),
		GID:             int(sp.User.GID),
		NoNewPrivileges: &sp.NoNewPrivileges,
		AppArmorProfile: sp.ApparmorProfile,
		Label:           sp.SelinuxLabel,
		Capabilities:    capabilities(sp.Capabilities),
		Rlimits:         rlimits(sp.Rlimits),
		ConsoleHeight:   o.Rows,
		ConsoleWidth:    o.Cols,
		LogLevel:        logLevel,
		ExtraFiles:      o.ExtraFiles,
		Init:            true,
	}
	for _, g := range sp.User.AdditionalGids {
		p.AdditionalGroups = append(p.AdditionalGroups, int(g))
	}
	streams(p, o.Stdin, o.Stdout, o.Stderr, o.ConsoleSocket)
	return p
}

// streams sets the standard streams; a nil file must not become an interface
// that is not nil.
func streams(p *libcontainer.Process, stdin, stdout, stderr, console *os.File) {
	if console != nil {
		p.ConsoleSocket = console
		return
	}
	if stdin != nil {
		p.Stdin = stdin
	}
	if stdout != nil {
		p.Stdout = stdout
	}
	if stderr != nil {
		p.Stderr = stderr
	}
}

// Load finds a sandbox that was made earlier, by any process. The error is
// os.ErrNotExist if there is none.
func Load(stateRoot, id string) (*Sandbox, error) {
	if s, err := loadForeign(stateRoot, id); s != nil || err != nil {
		return s, err
	}
	quiet()
	c, err := libcontainer.Load(stateRoot, id)
	if errors.Is(err, libcontainer.ErrNotExist) {
		return nil, fmt.Errorf("cannot find the running container %s: %w", id, os.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find the running container %s: %w", id, err)
	}
	s := &Sandbox{id: id, stateRoot: stateRoot, container: c}
	if st, err := c.State(); err == nil {
		s.pid, s.start = st.InitProcessPid, st.InitProcessStartTime
	}
	return s, nil
}

// quiet silences libcontainer's logger: in the start stage standard error is
// the container's. What matters comes back as errors.
func quiet() { logrus.SetOutput(io.Discard) }

// Pid is the first process, in the caller's pid namespace, and PidStart its
// start time in clock ticks after boot.
func (s *Sandbox) Pid() int         { return s.pid }
func (s *Sandbox) PidStart() uint64 { return s.start }

// StateDir is the sandbox's directory of state, which goes with the sandbox.
func (s *Sandbox) StateDir() string { return filepath.Join(s.stateRoot, s.id) }

// Cgroups are the absolute directories of its cgroups, one on v2 and one per
// hierarchy on v1, sorted. Those that could not be made are left out.
func (s *Sandbox) Cgroups() []string {
	if s.cgroups != nil {
		return slices.Clone(s.cgroups)
	}
	paths := map[string]string{}
	if s.foreign != nil {
		paths = s.foreign.Paths
	} else if st, err := s.container.State(); err == nil {
		paths = st.CgroupPaths
	}
	var out []string
	for _, dir := range paths {
		if !strings.Contains(filepath.Base(dir), s.id) {
			continue // not made for it: it runs in the caller's cgroup, with others
		}
		if _, err := os.Stat(dir); err == nil {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// OOMFiles are the files in which the kernel counts out-of-memory kills:
// memory.events on v2, memory.oom_control on v1 (line "oom_kill N").
func (s *Sandbox) OOMFiles() []string {
	var out []string
	for _, dir := range s.Cgroups() {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			file := filepath.Join(dir, name)
			if _, err := os.Stat(file); err == nil {
				out = append(out, file)
			}
		}
	}
	return out
}

// Start lets the user's program begin.
func (s *Sandbox) Start() error {
	start := func() error { return s.foreign.run(s.foreign.command("start", s.id)) }
	if s.foreign == nil {
		start = s.container.Exec
	}
	if err := start(); err != nil {
		return fmt.Errorf("cannot start the container: %w", err)
	}
	return nil
}

// Wait waits for the first process of a sandbox that this program created and
// gives its exit status, 128 plus the signal's number if one ended it.
func (s *Sandbox) Wait() (int, error) {
	if s.process == nil {
		return -1, errors.New("cannot wait for a process that another one started")
	}
	return exitCode(s.process.Wait())
}

func exitCode(st *os.ProcessState, err error) (int, error) {
	if st == nil {
		return -1, err
	}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return st.ExitCode(), nil
}

// explain turns libcontainer's chain of errors into one sentence about the
// user's program where that is what failed. Its init process reports errors as
// text, so the text has to tell.
func explain(err error, arg0 string) error {
	text := err.Error()
	mark := fmt.Sprintf("exec: %q: ", arg0)
	i := strings.LastIndex(text, mark)
	if i < 0 {
		return shorten(err)
	}
	reason := strings.TrimSpace(text[i+len(mark):])
	if strings.HasSuffix(reason, "no such file or directory") {
		reason = "no such file or directory"
	}
	kind := ErrNotExecutable
	if reason == "no such file or directory" || strings.HasPrefix(reason, "executable file not found") {
		kind = ErrNotFound
	}
	return &ProgramError{Program: arg0, Reason: reason, kind: kind}
}
