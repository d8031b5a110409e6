package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
	"skiff/state/memory"
)

// stepGone bounds the wait for the end of a step's container that was killed.
const stepGone = 60 * time.Second

// repairSteps takes down the steps of builds that were killed, and removes what
// is recorded of them. A build's own are left to it.
func (e *Engine) repairSteps(ctx context.Context) error {
	s := e.steps()
	swept := memory.Sweep(e.Roots)
	ids, err := s.Store.IDs()
	if err != nil || len(ids) == 0 {
		return errors.Join(swept, err)
	}
	alone, err := lock.Try(s.Roots.BuildsRunning())
	if err != nil && !errors.Is(err, lock.ErrBusy) {
		return err
	}
	defer alone.Release()
	errs := []error{swept, s.Store.Sweep()}
	for _, id := range ids {
		live, err := s.Store.Status(id)
		switch {
		case errors.Is(err, state.ErrNotFound):
		case err != nil:
			errs = append(errs, err)
		case live.Lost:
			errs = append(errs, s.tryRepair(ctx, id))
		case alone != nil && !live.Phase.Active():
			errs = append(errs, s.removeStep(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// removeStep removes what is recorded of a step that never began.
func (e *Engine) removeStep(ctx context.Context, id string) error {
	c := e.Roots.Container(id)
	l, err := lock.Try(c.Lock())
	if errors.Is(err, lock.ErrBusy) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	if lock.Held(c.Alive()) || !jsonfile.Exists(c.Config()) {
		return nil // its monitor removes it
	}
	if err := e.repairLocked(ctx, id); err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	cfg, err := e.Store.Load(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.removeRecord(ctx, cfg, true)
}

// holdBuilds says that a build runs, until the lock is released, and clears what
// earlier ones left.
func (e *Engine) holdBuilds(ctx context.Context) (*lock.Lock, error) {
	e.warnOf(e.repairSteps(ctx))
	if err := os.MkdirAll(e.Roots.Builds(), 0o711); err != nil {
		return nil, fmt.Errorf("cannot make the directory of builds: %w", err)
	}
	return lock.Share(e.Roots.BuildsRunning())
}

// awaitSteps waits until nothing is left of the containers of the build's steps,
// whose monitors remove them after they have told the end.
func (r *stepRun) awaitSteps() error {
	ctx, cancel := context.WithTimeout(context.Background(), stepGone)
	defer cancel()
	var errs []error
	for _, id := range r.ids {
		if err := r.awaitStep(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("cannot remove all of a step's container %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func (r *stepRun) awaitStep(ctx context.Context, id string) error {
	c := r.e.Roots.Container(id)
	for {
		held := lock.Held(c.Alive()) // until its monitor has removed all else
		if !held && !jsonfile.Exists(c.Data) {
			return nil
		}
		if !held { // it was killed
			if err := errors.Join(r.e.removeStep(ctx, id), r.e.Store.Sweep()); err != nil {
				return err
			}
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}
