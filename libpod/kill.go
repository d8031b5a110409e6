package libpod

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
	"skiff/state/event"
)

// killWait bounds how long a SIGKILL waits for the container's end, as Docker does.
const killWait = 10 * time.Second

// Kill sends a signal to the container's first process. A signal that is meant
// to end it also ends its restart policy's claim, as in Docker, and so does any
// signal to one that waits for its restart. A paused container goes on, so that the
// signal reaches it. With SIGKILL the container has ended on return.
func (e *Engine) Kill(ctx context.Context, ref string, sig unix.Signal) error {
	cfg, st, err := e.found(ctx, ref)
	if err != nil {
		return err
	}
	id := cfg.ID
	if !st.Phase.Up() {
		return fmt.Errorf("cannot kill container %s: container state improper, it is %s and not running", ref, st.Phase)
	}
	stop := unix.Signal(cfg.Process.StopSignal)
	if sig == unix.SIGKILL || sig == unix.SIGTERM || sig == stop || st.Phase == state.Restarting {
		if err := e.desire(cfg, state.DesiredStopped); err != nil {
			return err
		}
		conn, err := e.wantStopped(id, ref, false)
		if err != nil {
			return err
		}
		if conn != nil {
			conn.Close()
		}
	}
	if st.Phase == state.Restarting {
		if st, err = e.afterRestart(ctx, id); err != nil {
			return err
		}
		if st.Pid == 0 {
			e.noteContainer(cfg, event.Kill, "signal", strconv.Itoa(int(sig)))
			return nil
		}
	}
	if err := signal(st, sig); err != nil {
		return fmt.Errorf("cannot kill container %s: %w", ref, err)
	}
	e.noteContainer(cfg, event.Kill, "signal", strconv.Itoa(int(sig)))
	if st.Phase == state.Paused {
		if err := e.Unpause(ctx, id); err != nil && e.isPaused(id) {
			return err
		}
	}
	if sig != unix.SIGKILL {
		return nil
	}
	_, err = e.gone(ctx, id, killWait)
	return err
}

// afterRestart gives the status of a container that was told to end while it waited
// for its restart: it has ended, or its program had just begun again.
func (e *Engine) afterRestart(ctx context.Context, id string) (state.Status, error) {
	if _, err := e.gone(ctx, id, time.Second); err != nil {
		return state.Status{}, err
	}
	st, err := e.Store.Status(id)
	if err != nil || st.Phase != state.Running && st.Phase != state.Paused {
		return state.Status{}, nil
	}
	return st.Status, nil
}

func (e *Engine) isPaused(id string) bool {
	st, err := e.Store.Status(id)
	return err == nil && st.Phase == state.Paused
}
