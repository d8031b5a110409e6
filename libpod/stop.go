package libpod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/event"
	"skiff/state/lock"
	"skiff/state/process"
)

// defaultStopTimeout is Docker's.
const defaultStopTimeout = 10

// killGrace bounds the wait for a container whose processes were all killed.
const killGrace = 60 * time.Second

// StopOptions say how a container is stopped.
type StopOptions struct {
	// Timeout is how many seconds it gets before SIGKILL; nil: the container's own;
	// below 0: no end.
	Timeout *int
	// Signal is the first to be sent; 0: the container's own.
	Signal unix.Signal
	// Quiet leaves out the warning that the container had to be killed.
	Quiet bool
}

// Stop is StopWith the container's own signal.
func (e *Engine) Stop(ctx context.Context, ref string, timeout *int) error {
	return e.StopWith(ctx, ref, StopOptions{Timeout: timeout})
}

// StopWith ends a container in an orderly way: its stop signal, then SIGKILL. A
// container that does not run is left as it is. The user's wish is recorded: no
// restart policy brings it back.
func (e *Engine) StopWith(ctx context.Context, ref string, o StopOptions) (err error) {
	cfg, st, err := e.found(ctx, ref)
	if err != nil {
		return err
	}
	id := cfg.ID
	if err := e.desire(cfg, state.DesiredStopped); err != nil {
		return err
	}
	if !st.Phase.Active() {
		return nil
	}
	wait := stopTimeout(cfg, o.Timeout)
	conn, err := e.wantStopped(id, ref, wait != 0)
	if err != nil {
		return err
	}
	if conn == nil {
		_, err := e.released(ctx, id)
		return err
	}
	defer conn.Close()
	defer func() {
		if err == nil {
			e.noteContainer(cfg, event.Stop)
		}
	}()
	switch st.Phase {
	case state.Initialized: // its monitor undoes what was prepared
		_, err := e.gone(ctx, id, killGrace)
		return err
	case state.Paused:
		if err := e.Unpause(ctx, id); err != nil {
			return err
		}
	}
	sig := cmp.Or(o.Signal, unix.Signal(cfg.Process.StopSignal), unix.SIGTERM)
	if wait != 0 {
		if err := signal(st, sig); err != nil {
			return err
		}
		if done, err := e.gone(ctx, id, wait); done || err != nil {
			return err
		}
		if !o.Quiet {
			e.warn(fmt.Sprintf("StopSignal %s failed to stop container %s in %d seconds, resorting to SIGKILL", unix.SignalName(sig), cfg.Name, int(wait/time.Second)))
		}
	}
	return e.finish(ctx, id, ref)
}

// wantStopped tells the monitor that the policy no longer counts. No
// connection and no error mean that it is about to end, or has. waits says that the
// caller sends a signal and waits for the end.
func (e *Engine) wantStopped(id, ref string, waits bool) (*monitorclient.Conn, error) {
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := conn.Stop(waits); err != nil {
		conn.Close()
		if errors.Is(err, state.ErrNotFound) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot stop container %s: %w", ref, err)
	}
	return conn, nil
}

func stopTimeout(cfg *state.Config, given *int) time.Duration {
	n := defaultStopTimeout
	if cfg.Process.StopTimeout != nil {
		n = *cfg.Process.StopTimeout
	}
	if given != nil {
		n = *given
	}
	return time.Duration(n) * time.Second
}

// signal sends sig to the container's first process, if it is still there.
func signal(st state.Status, sig unix.Signal) error {
	err := process.Signal(st.Pid, st.PidStart, sig)
	if errors.Is(err, process.ErrGone) {
		return nil
	}
	return err
}

// gone waits until the container's monitor has ended, at most for d (below 0:
// without end).
func (e *Engine) gone(ctx context.Context, id string, d time.Duration) (bool, error) {
	if d >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if errors.Is(err, state.ErrNotFound) {
		return e.released(ctx, id)
	}
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_, err = conn.WaitGone(ctx)
	var failed wire.Failure
	if errors.As(err, &failed) {
		return true, nil // it was about to start, and could not
	}
	if errors.Is(err, state.ErrNotFound) {
		return e.released(ctx, id) // it had stopped listening when we came
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	if errors.Is(err, state.ErrNotFound) {
		return e.released(ctx, id) // it stopped listening before it read the question
	}
	return err == nil, err
}

// released waits until a monitor that listens to nobody any more has recorded
// the end and is gone.
func (e *Engine) released(ctx context.Context, id string) (bool, error) {
	alive := e.Roots.Container(id).Alive()
	for deadline := time.Now().Add(monitorGrace); lock.Held(alive) && time.Now().Before(deadline); {
		err := sleep(ctx, 2*time.Millisecond)
		if errors.Is(err, context.DeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return !lock.Held(alive), nil
}

// finish kills the first process of a container that is to end and waits for
// the monitor to clear up.
func (e *Engine) finish(ctx context.Context, id, ref string) error {
	st, err := e.Store.Status(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Phase.Active() {
		if err := signal(st.Status, unix.SIGKILL); err != nil {
			return err
		}
	}
	done, err := e.gone(ctx, id, killGrace)
	if err != nil || done {
		return err
	}
	return fmt.Errorf("cannot stop container %s: it does not end even when killed", ref)
}

// found reads what was asked of a container and what is true of it, repaired
// first if its monitor was lost.
func (e *Engine) found(ctx context.Context, ref string) (*state.Config, state.Status, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, state.Status{}, err
	}
	st, err := e.status(ctx, id)
	if err != nil {
		return nil, state.Status{}, err
	}
	cfg, err := e.Store.Load(id)
	return cfg, st, err
}

// Restart stops the container if it runs and starts it again.
func (e *Engine) Restart(ctx context.Context, ref string, o StopOptions) error {
	if err := e.StopWith(ctx, ref, o); err != nil {
		return err
	}
	res, err := e.Start(ctx, ref, StartOptions{})
	if err == nil {
		e.noteID(res.ID, event.Restart)
	}
	return err
}
