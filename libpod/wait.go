package libpod

import (
	"context"
	"errors"
	"slices"
	"time"

	"skiff/runtime/monitorclient"
	"skiff/state"
)

// waitPoll is how often a condition is looked at that no monitor tells of.
const waitPoll = 100 * time.Millisecond

// Wait waits for a container and gives its exit status. Without conditions it
// waits until the container does not run; one that has never run gives 0 at
// once, as in Docker. With conditions it waits until one of them holds: a phase,
// "stopped" for not running, "removed" for gone, "next-exit" for the next end;
// interval is how often to look, 0 for the default. Podman: wait --condition.
func (e *Engine) Wait(ctx context.Context, ref string, conditions []string, interval time.Duration) (int, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return 125, err
	}
	if len(conditions) == 0 {
		return e.waitEnded(ctx, id)
	}
	if interval <= 0 {
		interval = waitPoll
	}
	before, err := e.status(ctx, id)
	if err != nil {
		return 125, err
	}
	for {
		st, err := e.status(ctx, id)
		if errors.Is(err, state.ErrNotFound) {
			if slices.Contains(conditions, "removed") {
				return before.ExitCode, nil
			}
			return 125, err
		}
		if err != nil {
			return 125, err
		}
		if slices.ContainsFunc(conditions, func(c string) bool { return holds(c, before, st) }) {
			return st.ExitCode, nil
		}
		if !slices.Contains(conditions, "next-exit") || st.Phase.Active() {
			before = st
		}
		if err := sleep(ctx, interval); err != nil {
			return 125, err
		}
	}
}

// holds reports whether a condition of Wait is true of a container.
func holds(condition string, before, now state.Status) bool {
	switch condition {
	case "not-running", "stopped", string(state.Exited):
		return !now.Phase.Active()
	case "next-exit":
		return before.Phase.Active() && !now.FinishedAt.IsZero() && !now.FinishedAt.Equal(before.FinishedAt)
	}
	return condition == string(now.Phase)
}

func (e *Engine) waitEnded(ctx context.Context, id string) (int, error) {
	for {
		st, err := e.status(ctx, id)
		if err != nil {
			return 125, err
		}
		if !st.Phase.Active() {
			return st.ExitCode, nil
		}
		conn, err := monitorclient.Dial(e.Roots.Container(id))
		if errors.Is(err, state.ErrNotFound) {
			if err := sleep(ctx, time.Millisecond); err != nil {
				return 125, err
			}
			continue // it ended between the two steps: its record says how
		}
		if err != nil {
			return 125, err
		}
		final, err := conn.Wait(ctx)
		conn.Close()
		if err == nil {
			return final.ExitCode, nil
		}
		if ctx.Err() != nil {
			return 125, ctx.Err()
		}
	}
}
