package libpod

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"skiff/runtime/monitorclient"
	"skiff/runtime/program"
	"skiff/runtime/rootless"
	"skiff/runtime/scope"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// ErrRunning means that something cannot be done to a container that runs. It
// is of the kind state.ErrInUse.
var ErrRunning error = &state.KindError{Text: "container is running", Kind: state.ErrInUse}

// monitorGrace is how long a start waits for the monitor of the run before to
// finish its last steps.
const monitorGrace = 20 * time.Second

// launchOptions say how a container's streams begin.
type launchOptions struct {
	attach *wire.Attach
	size   wire.Size
	// stdio, when set, are handed to the container as they are.
	stdio *[3]*os.File
	// files are the caller's descriptors that the container gets, see
	// state.Extras.PreserveFDs.
	files []*os.File
	// detached says that nobody waits for the container.
	detached bool
	// ahead is a monitor that was started before, with stdio where that is set; nil
	// without one.
	ahead *monitorclient.Prepared
	// hold keeps the container's program from beginning, see Initialize.
	hold bool
	// bound ends the container with the caller.
	bound bool
}

// launch starts a container: it holds the container's lock until the monitor
// says that the user's program begins. ErrRunning if it runs already.
func (e *Engine) launch(ctx context.Context, id string, opt launchOptions) (*monitorclient.Session, error) {
	l, err := e.lockIdle(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { l.Release() }()
	if err := e.repairLocked(ctx, id); err != nil {
		return nil, err
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return nil, err
	}
	if ids := cfg.Extra().Requires; len(ids) > 0 {
		l.Release() // never two containers' locks at once
		if err := e.startRequired(ctx, ids); err != nil {
			l = nil
			return nil, err
		}
		if l, err = e.lockIdle(ctx, id); err != nil {
			return nil, err
		}
	}
	c := e.Roots.Container(id)
	if err := os.MkdirAll(c.Run, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the run directory: %w", err)
	}
	if !opt.hold {
		if err := e.desire(cfg, state.DesiredRunning); err != nil {
			return nil, err
		}
	}
	session, err := e.startMonitor(ctx, cfg, opt)
	if err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", cfg.Name, err)
	}
	return session, nil
}

// WarmCodec has encoding/json learn the types of a start on another processor,
// while the command line is read.
func WarmCodec() {
	json.Unmarshal([]byte("{}"), new(state.Image))
	json.Marshal(new(state.Config))
	json.Marshal(wire.Launch{})
}

// ErrDead means that all that can be done with a container is to remove it.
var ErrDead error = &state.KindError{Text: "it is dead: a part of it could not be removed, so remove it", Kind: state.ErrInUse}

// lockIdle is lockUnused for a container that is whole.
func (e *Engine) lockIdle(ctx context.Context, id string) (*lock.Lock, error) {
	l, err := e.lockUnused(ctx, id)
	if err != nil {
		return nil, err
	}
	if live, err := e.Store.Status(id); err == nil && live.Phase == state.Dead {
		l.Release()
		return nil, fmt.Errorf("cannot use container %s: %w", id, ErrDead)
	}
	return l, nil
}

// lockUnused takes the lock of a container that has no monitor, waiting for one
// that has recorded the end and is taking its leave. The lock is not held while
// waiting, because that monitor needs it.
func (e *Engine) lockUnused(ctx context.Context, id string) (*lock.Lock, error) {
	alive := e.Roots.Container(id).Alive()
	for deadline := time.Now().Add(monitorGrace); ; {
		l, err := e.Store.Lock(id)
		if err != nil {
			return nil, err
		}
		if !lock.Held(alive) {
			return l, nil
		}
		live, err := e.Store.Status(id)
		l.Release()
		if err != nil {
			return nil, err
		}
		if live.Phase.Active() {
			return nil, ErrRunning
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("cannot start container %s: its monitor does not end", id)
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// HoldStill keeps a container that does not run from starting until release is
// called, for a process that works on its files. ErrRunning where it runs or is
// being started.
func (e *Engine) HoldStill(ctx context.Context, id string) (release func(), err error) {
	live, err := e.Store.Status(id)
	if err != nil {
		return nil, err
	}
	if live.Phase != state.Restarting {
		l, err := e.lockIdle(ctx, id)
		if err != nil {
			return nil, err
		}
		return l.Release, nil
	}
	// Its monitor starts it, which needs no lock, and lets it go for good if it is
	// stopped, which the lock keeps from being removed or started by others.
	l, err := e.Store.Lock(id)
	if err != nil {
		return nil, err
	}
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if err == nil {
		if err = conn.Hold(); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		l.Release()
		return nil, ErrRunning // its time has come, or it has ended
	}
	return func() {
		conn.Close()
		l.Release()
	}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// desire records what the user wants of a container with a restart policy;
// others do not come back by themselves and need no record.
func (e *Engine) desire(cfg *state.Config, what string) error {
	if cfg.Restart.Name == "" || cfg.Restart.Name == state.RestartNo {
		return nil
	}
	return jsonfile.Write(e.Roots.Container(cfg.ID).Desired(), state.Desired{Version: 1, State: what}, jsonfile.Volatile)
}

func (e *Engine) startMonitor(ctx context.Context, cfg *state.Config, opt launchOptions) (*monitorclient.Session, error) {
	l := e.launchMessage(cfg, opt)
	notify, err := newNotifier(cfg, os.Getenv)
	e.warnOf(err)
	switch {
	case notify.relay:
		l.NotifySocket = notify.socket
	case notify.healthy:
		l.ReadySocket = notify.socket
	}
	start := monitorclient.StartOptions{}
	if opt.stdio != nil {
		start.Stdin, start.Stdout, start.Stderr = opt.stdio[0], opt.stdio[1], opt.stdio[2]
	}
	if opt.attach == nil && opt.stdio == nil && leavesSession(cfg) {
		start.Spawned = func(pid int) { leaveSession(ctx, cfg, pid) }
	}
	m := opt.ahead
	if m == nil {
		if e.Rootless() {
			join, err := e.sharedUserNamespace(cfg)
			if err != nil {
				return nil, err
			}
			defer closeAll(join)
			start.Spawn = e.spawn(join)
		}
		if m, err = e.newMonitor(cfg.ID, cfg.Name, start); err != nil {
			return nil, err
		}
	}
	e.warnOf(notify.spawned(m.Pid()))
	session, err := m.Launch(ctx, l, opt.files...)
	if err != nil {
		return nil, err
	}
	e.warnOf(notify.started(session.Status().Monitor))
	for _, line := range session.Warnings() {
		e.warn(line)
	}
	return session, nil
}

func (e *Engine) newMonitor(id, name string, o monitorclient.StartOptions) (*monitorclient.Prepared, error) {
	path, err := program.Path(e.Roots, program.Monitor)
	if err != nil {
		return nil, err
	}
	engine, err := e.command()
	if err != nil {
		return nil, err
	}
	if e.Rootless() && o.Spawn == nil {
		o.Spawn = e.spawn(nil)
	}
	prepare := wire.Prepare{ID: id, Engine: engine, Orphan: os.Getenv("NOTIFY_SOCKET") != ""}
	return monitorclient.Prepare(path, name, prepare, o)
}

// prepareMonitor starts the monitor of a container whose record is not made yet,
// so that the processes start while the record is. It is nil if that fails:
// launch says then why.
func (e *Engine) prepareMonitor(id, name string) *monitorclient.Prepared {
	m, err := e.newMonitor(id, name, monitorclient.StartOptions{})
	if err != nil {
		return nil
	}
	return m
}

// leavesSession says whether the monitor of a container in the background is to
// leave the login session. One whose container divides the caller's cgroup stays.
func leavesSession(cfg *state.Config) bool {
	return cfg.Extra().Cgroups != state.CgroupsSplit && scope.InSession()
}

// leaveSession takes the monitor of a container in the background out of the
// login session, so that it does not end with it where logind kills what a user
// leaves behind. One that a service starts stays in its cgroup and ends with the
// service. Where it cannot be moved it is as safe as any other program there.
func leaveSession(ctx context.Context, cfg *state.Config, pid int) {
	name := fmt.Sprintf("skiff-monitor-%s-%d", cfg.ID, pid)
	_ = scope.Move(ctx, name, "skiff's monitor of the container "+cfg.Name, pid)
}

// spawn starts a monitor as root of the user's own namespace, a fresh one or join.
func (e *Engine) spawn(join *os.File) func(path string, argv, env []string, files []*os.File) (int, error) {
	return func(path string, argv, env []string, files []*os.File) (int, error) {
		p, err := rootless.Start(append([]string{path}, argv[1:]...), env, files, rootless.Options{Warn: e.warn, Join: join})
		if err != nil {
			return 0, err
		}
		p.PidFD.Close()
		pid := p.Pid
		return pid, p.Release()
	}
}

// warn tells the user what is done without.
func (e *Engine) warn(line string) {
	if e.Warn != nil {
		e.Warn(line)
	}
}

// warnOf tells the user about an error that the command goes on after.
func (e *Engine) warnOf(err error) {
	if err != nil {
		e.warn(err.Error())
	}
}

// nameFile is what reserves the container's name, if it has one.
func (e *Engine) nameFile(cfg *state.Config) string {
	if cfg.Name == "" {
		return ""
	}
	return e.Roots.Name(cfg.Name)
}

func (e *Engine) launchMessage(cfg *state.Config, opt launchOptions) wire.Launch {
	c := e.Roots.Container(cfg.ID)
	l := wire.Launch{
		Version:     wire.Version,
		ID:          cfg.ID,
		Name:        cfg.Name,
		DataDir:     c.Data,
		RunDir:      c.Run,
		NameFile:    e.nameFile(cfg),
		Bound:       opt.bound,
		Hold:        opt.hold,
		CIDFile:     cfg.CIDFile,
		BootID:      e.Store.BootID,
		Terminal:    cfg.Process.Terminal,
		OpenStdin:   cfg.Process.OpenStdin,
		StdinOnce:   cfg.Process.StdinOnce,
		Size:        opt.size,
		Direct:      opt.stdio != nil,
		Attach:      opt.attach,
		Log:         cfg.Log,
		Restart:     cfg.Restart,
		AutoRemove:  cfg.AutoRemove,
		StopSignal:  cfg.Process.StopSignal,
		StopTimeout: cfg.Process.StopTimeout,
		Labels:      journalFields(cfg),
		Image:       cfg.Image.Name,
		Health:      healthOrder(cfg),
	}
	if x := cfg.Extra(); x.RemoveImage && opt.detached {
		l.RemoveImage = cmp.Or(cfg.Image.Name, cfg.Image.ID)
	}
	l.Timeout = cfg.Extra().Timeout
	if e.Global.Events.Path != "" {
		l.Events, l.EventLabels = e.Global.Events, cfg.Labels
	}
	if cfg.AutoRemove {
		for _, m := range cfg.Mounts {
			if m.Type == state.MountVolume && m.Anonymous {
				l.Volumes = append(l.Volumes, e.Roots.Volume(m.Source))
			}
		}
	}
	return l
}
