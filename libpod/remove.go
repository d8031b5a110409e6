package libpod

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"skiff/state"
)

// errImproperState is Podman's word for a container that runs and must not.
var errImproperState error = &state.KindError{Text: "container state improper", Kind: state.ErrInUse}

// RemoveOptions say how a container is removed.
type RemoveOptions struct {
	// Force stops a container that runs.
	Force bool
	// Volumes removes its anonymous volumes too. Docker: rm -v.
	Volumes bool
	// Needed are the containers that others need, as Dependents gives them: one of
	// those is not removed. nil removes it all the same, as Docker does.
	Needed map[string][]string
	// Time is how many seconds a forced stop waits before it kills; nil kills at once.
	Time *int
}

// Remove takes a container away with its writable layer, log and name.
func (e *Engine) Remove(ctx context.Context, ref string, opt RemoveOptions) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	if others := opt.Needed[id]; len(others) > 0 {
		return fmt.Errorf("container %s has dependent containers which must be removed before it: %s", id, strings.Join(others, ", "))
	}
	for range 3 {
		st, err := e.status(ctx, id)
		if err != nil {
			return err
		}
		if st.Phase.Active() {
			if err := e.stopToRemove(ctx, id, ref, st, opt); err != nil {
				return err
			}
		}
		again, err := e.removeIdle(ctx, id, opt)
		if !again || err != nil {
			return err
		}
	}
	return fmt.Errorf("cannot remove container %s: it is started again and again by somebody else", ref)
}

func (e *Engine) stopToRemove(ctx context.Context, id, ref string, st state.Status, opt RemoveOptions) error {
	if !opt.Force && st.Phase != state.Initialized {
		return fmt.Errorf("cannot remove container %s as it is %s - running or paused containers cannot be removed without force: %w",
			id, st.Phase, errImproperState)
	}
	timeout := 0
	if opt.Time != nil {
		timeout = *opt.Time
	}
	err := e.Stop(ctx, id, &timeout)
	if errors.Is(err, state.ErrNotFound) {
		return nil // it was started with --rm
	}
	return err
}

// removeIdle removes a container that has no monitor any more; again says that
// it was started in between.
func (e *Engine) removeIdle(ctx context.Context, id string, opt RemoveOptions) (again bool, err error) {
	l, err := e.lockUnused(ctx, id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return false, nil
	case errors.Is(err, ErrRunning):
		return true, nil
	case err != nil:
		return false, err
	}
	defer l.Release()
	if err := e.repairLocked(ctx, id); err != nil && !errors.Is(err, state.ErrNotFound) {
		return false, err
	}
	cfg, err := e.Store.Load(id)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return false, e.removeRecord(ctx, cfg, opt.Volumes || cfg.AutoRemove)
}
