package monitorclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

// programName is the monitor's name in process lists.
const programName = "skiff-monitor"

// schedulerEnv is monitor.SchedulerEnv.
const schedulerEnv = "GOMAXPROCS=1"

// StartOptions says how a monitor is started.
type StartOptions struct {
	// Stdin, Stdout and Stderr are the monitor's, which become the container's
	// with Launch.Direct; nil means /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Spawn starts the program in another way than by fork and exec, such as in a
	// user namespace, and gives its pid. files become the new process's descriptors
	// from 0 on. The process is not waited for.
	Spawn func(program string, argv, env []string, files []*os.File) (int, error)
	// Spawned, if set, is called with the monitor's pid before it does anything.
	Spawned func(pid int)
}

// Prepared is a monitor that waits for its Launch. Launch is called once at most.
type Prepared struct {
	conn     *Conn
	pid      int
	launched bool
}

// Pid is the monitor's process.
func (p *Prepared) Pid() int { return p.pid }

// Prepare starts a monitor from the program file, and with it what can be
// started before all of the container is known. name is for process lists.
func Prepare(program, name string, p wire.Prepare, o StartOptions) (*Prepared, error) {
	p.Version = wire.Version
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot start the monitor: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "launch")
	pid, err := spawn(program, p.ID, name, o, theirs)
	theirs.Close()
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("cannot start the monitor: %w", err)
	}
	if o.Spawned != nil {
		o.Spawned(pid)
	}
	unix.SetNonblock(pair[0], true)
	m := &Prepared{conn: newConn(pair[0]), pid: pid}
	if p.Orphan {
		err = m.orphan(p)
		p.Orphan = false
	}
	if err == nil {
		err = m.conn.writeJSON(wire.KindPrepare, p)
	}
	if err != nil && !errors.Is(err, unix.EPIPE) {
		m.conn.Close()
		return nil, fmt.Errorf("cannot start the monitor: %w", err)
	}
	return m, nil
}

// orphan has the new process start the monitor, see wire.Prepare.Orphan.
func (p *Prepared) orphan(message wire.Prepare) error {
	if err := p.conn.writeJSON(wire.KindPrepare, message); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	k, payload, err := wire.ReadFrame(p.conn.r)
	if err != nil {
		return gone(err)
	}
	if k == wire.KindFailed {
		return failure(payload)
	}
	var s wire.Spawned
	if err := json.Unmarshal(payload, &s); err != nil || k != wire.KindSpawned {
		return fmt.Errorf("a message of kind %q came instead of %q", byte(k), byte(wire.KindSpawned))
	}
	for {
		if _, err = unix.Wait4(p.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.pid = s.Pid
	return err
}

// Launch waits until the container runs. An error that is a wire.Failure says
// why it does not; then everything is undone. The session receives the
// container's streams as l.Attach says, and its end.
//
// ctx bounds the wait for the start. When it ends the container's start goes
// on. The container's first process gets files.
func (p *Prepared) Launch(ctx context.Context, l wire.Launch, files ...*os.File) (*Session, error) {
	l.Version = wire.Version
	c := p.conn
	p.launched = true
	s := &Session{conn: c}
	stop := context.AfterFunc(ctx, func() { c.f.SetReadDeadline(time.Unix(1, 0)) })
	err := p.send(l, files)
	json.Unmarshal([]byte("{}"), new(wire.Started)) // learns the type while the container starts
	if err == nil || errors.Is(err, unix.EPIPE) {
		err = s.awaitStart()
	}
	if !stop() && ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

func (p *Prepared) send(l wire.Launch, files []*os.File) error {
	if len(files) == 0 {
		return p.conn.writeJSON(wire.KindLaunch, l)
	}
	fds := make([]int, 0, len(files))
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	raw, err := p.conn.f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = wire.SendFDs(int(fd), wire.KindLaunch, l, fds) }); cerr != nil {
		return cerr
	}
	return err
}

// cancelWait bounds how long Cancel waits for a monitor that has nothing to do.
const cancelWait = 5 * time.Second

// Cancel ends the monitor and what it has started, and waits for its end. It
// does nothing after a Launch, or without a monitor.
func (p *Prepared) Cancel() {
	if p == nil || p.launched {
		return
	}
	defer p.conn.Close()
	raw, err := p.conn.f.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	p.conn.f.SetReadDeadline(time.Now().Add(cancelWait))
	io.Copy(io.Discard, p.conn.r)
}

func spawn(program, id, name string, o StartOptions, conn *os.File) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []*os.File{o.Stdin, o.Stdout, o.Stderr, conn}
	for i := range files {
		if files[i] == nil {
			files[i] = null
		}
	}
	argv := []string{programName, id[:min(12, len(id))]}
	if name != "" {
		argv = append(argv, name)
	}
	env := []string{schedulerEnv}
	for _, kv := range os.Environ() {
		// The service manager's socket is none of a container's, nor of the programs
		// that set it up: an OCI runtime would hand it on.
		if !strings.HasPrefix(kv, "GOMAXPROCS=") && !strings.HasPrefix(kv, "NOTIFY_SOCKET=") {
			env = append(env, kv)
		}
	}
	if o.Spawn != nil {
		return o.Spawn(program, argv, env, files)
	}
	attr := &syscall.ProcAttr{Dir: "/", Env: env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	// It outlives us and is not waited for; os.StartProcess would begin with a
	// child of its own to find out about pidfds.
	return syscall.ForkExec(program, argv, attr)
}
