package libpod

import (
	"context"
	"errors"
	"time"

	"skiff/runtime/monitorclient"
	"skiff/state"
)

// Wait waits until a container does not run and gives its exit status. One
// that has never run gives 0 at once, as in Docker.
func (e *Engine) Wait(ctx context.Context, id string) (int, error) {
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
