package libpod

import (
	"context"
	"fmt"

	"skiff/runtime/sandbox"
	"skiff/state"
)

// Pause freezes all processes of a container.
func (e *Engine) Pause(ctx context.Context, ref string) error {
	return e.freeze(ctx, ref, state.Running, true)
}

// Unpause lets them go on.
func (e *Engine) Unpause(ctx context.Context, ref string) error {
	return e.freeze(ctx, ref, state.Paused, false)
}

func (e *Engine) freeze(ctx context.Context, ref string, from state.Phase, pause bool) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	verb := map[bool]string{true: "pause", false: "unpause"}[pause]
	st, err := e.status(ctx, id)
	if err != nil {
		return err
	}
	if st.Phase != from {
		return fmt.Errorf("cannot %s container %s: it is %s, not %s", verb, ref, st.Phase, from)
	}
	l, err := e.Store.Lock(id)
	if err != nil {
		return err
	}
	defer l.Release()
	box, err := sandbox.Load(e.Roots.Sandboxes(), id)
	if err != nil {
		return err
	}
	if pause {
		err = box.Pause()
	} else {
		err = box.Resume()
	}
	if err != nil {
		return fmt.Errorf("cannot %s container %s: %w", verb, ref, err)
	}
	e.noteID(id, verb) // the verbs are the events' names
	return e.tellMonitor(id, func(m monitor) error { return m.Paused(pause) })
}
