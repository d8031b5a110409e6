package libpod

import (
	"context"
	"errors"
	"fmt"
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
	if err := e.waitable(id, ref, conditions); err != nil {
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
		if slices.ContainsFunc(conditions, func(c string) bool { return holds(c, before, st) || e.isHealth(id, c, st) }) {
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

// waitable refuses conditions that can never hold.
func (e *Engine) waitable(id, ref string, conditions []string) error {
	for _, c := range conditions {
		if c != state.HealthHealthy && c != state.HealthUnhealthy {
			return nil
		}
	}
	cfg, err := e.Store.Load(id)
	if err == nil && cfg.Healthcheck == nil {
		err = fmt.Errorf("cannot wait for container %s to be %s: it has no health check", ref, conditions[0])
	}
	return err
}

// isHealth reports whether a condition of Wait is the health of a container.
func (e *Engine) isHealth(id, condition string, now state.Status) bool {
	if condition != state.HealthHealthy && condition != state.HealthUnhealthy {
		return false
	}
	h, err := e.Store.Health(id, now.Phase.Active())
	return err == nil && h != nil && h.Status == condition
}

// holds reports whether a condition of Wait is true of a container.
func holds(condition string, before, now state.Status) bool {
	switch condition {
	case "not-running", "stopped", string(state.Exited):
		return !now.Phase.Active()
	case "stopping":
		return now.Stopping
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
