package libpod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
)

// StartOptions say how a container is started.
type StartOptions struct {
	// Attach joins the container's streams; nil starts it in the background.
	Attach *AttachOptions
}

// StartResult is what a start came to.
type StartResult struct {
	ID string
	// ExitCode is the container's, where it was attached to until its end.
	ExitCode int
	Attached bool
}

// Start starts a container that does not run. One that runs already is left
// alone, or attached to.
func (e *Engine) Start(ctx context.Context, ref string, opt StartOptions) (StartResult, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return StartResult{ExitCode: 125}, err
	}
	res := StartResult{ID: id, Attached: opt.Attach != nil}
	var lo launchOptions
	if opt.Attach != nil {
		lo = attached(*opt.Attach)
	}
	shown := e.hide(id)
	session, err := e.begin(ctx, id, lo)
	if shown {
		e.warnOf(e.show(ctx, id))
	}
	switch {
	case errors.Is(err, ErrRunning) && e.isPaused(id):
		return res, fmt.Errorf("cannot start container %s: it is paused, try unpause instead", ref)
	case errors.Is(err, ErrRunning) && opt.Attach == nil:
		return res, nil
	case errors.Is(err, ErrRunning):
		res.ExitCode, err = e.Attach(ctx, id, *opt.Attach)
		return res, err
	case err != nil:
		res.ExitCode = startCode(err)
		return res, err
	case opt.Attach == nil:
		session.Close()
		return res, nil
	}
	res.ExitCode, err = e.follow(ctx, session, *opt.Attach, session.Status())
	return res, err
}

func attached(s AttachOptions) launchOptions {
	return launchOptions{attach: streams(s), size: s.Size}
}

// RunOptions say how run treats the new container.
type RunOptions struct {
	// Detach runs in the background; otherwise Attach are the user's streams.
	Detach bool
	Attach AttachOptions
	// Begun is told the id when the program has begun; may be nil.
	Begun func(id string)
}

// Run makes a container and starts it. In the background it gives the id as
// soon as the program has begun; attached, the exit status when it has ended.
// A container whose start fails is removed: run leaves either a container that
// has run, or nothing.
func (e *Engine) Run(ctx context.Context, req CreateRequest, opt RunOptions) (id string, exit int, err error) {
	var lo launchOptions
	defer func() { lo.ahead.Cancel() }()
	cfg, err := e.create(ctx, req, func(id, name string) {
		if !e.leavesStreams(req.Config) && !(opt.Detach && leavesSession(req.Config)) && !(e.Rootless() && len(req.Config.Joins()) > 0) {
			lo.ahead = e.prepareMonitor(id, name)
		}
	})
	if err != nil {
		return "", 125, err
	}
	lo.detached = opt.Detach
	if lo.files, err = inherited(cfg.Extra().PreserveFDs); err != nil {
		return cfg.ID, 125, errors.Join(err, e.dropFailed(ctx, cfg))
	}
	defer closeAll(lo.files...)
	if !opt.Detach {
		lo.attach, lo.size = streams(opt.Attach), opt.Attach.Size
		if lo.stdio = direct(cfg, opt.Attach); lo.stdio != nil {
			lo.ahead.Cancel() // it would have no streams
			lo.ahead = nil
		}
	}
	session, err := e.launch(ctx, cfg.ID, lo)
	if err != nil {
		return cfg.ID, startCode(err), errors.Join(err, e.dropFailed(ctx, cfg))
	}
	if opt.Begun != nil {
		opt.Begun(cfg.ID)
	}
	if opt.Detach {
		session.Close()
		return cfg.ID, 0, nil
	}
	exit, err = e.follow(ctx, session, opt.Attach, session.Status())
	if err == nil && cfg.Extra().RemoveImage {
		e.warnOf(e.RemoveImage(ctx, cmp.Or(cfg.Image.Name, cfg.Image.ID)))
	}
	return cfg.ID, exit, err
}

// startCode is the exit status that a failed start calls for.
func startCode(err error) int {
	var f wire.Failure
	if errors.As(err, &f) && f.Code != 0 {
		return f.Code
	}
	return 125
}

// dropFailed removes a container that never ran, also after an interruption.
func (e *Engine) dropFailed(ctx context.Context, cfg *state.Config) error {
	err := e.Remove(context.WithoutCancel(ctx), cfg.ID, RemoveOptions{Volumes: true})
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrInUse) {
		return nil
	}
	if cfg.CIDFile != "" {
		os.Remove(cfg.CIDFile)
	}
	return err
}

// direct gives the user's own descriptors for a container whose output nobody
// keeps: then there is nothing to copy, and nothing to lose or reorder.
func direct(cfg *state.Config, o AttachOptions) *[3]*os.File {
	if d := cfg.Log.Driver; d != state.LogNone && d != state.LogPassthrough || cfg.Process.Terminal {
		return nil
	}
	return files(o)
}

// leavesStreams says whether the container may get the user's own descriptors,
// which its monitor has to be started with.
func (e *Engine) leavesStreams(cfg *state.Config) bool {
	switch cmp.Or(cfg.Log.Driver, e.Settings.Containers.LogDriver) {
	case state.LogNone, state.LogPassthrough:
		return true
	}
	return false
}

// monitor is what the verbs ask of a running monitor.
type monitor interface {
	Update(restart *state.RestartPolicy, name string) error
	Paused(bool) error
	UpdateHealth(wire.Health) error
}

// tellMonitor does something with the container's monitor, if it has one.
func (e *Engine) tellMonitor(id string, tell func(monitor) error) error {
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	return tell(conn)
}
