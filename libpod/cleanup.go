package libpod

import (
	"context"

	"skiff/state"
)

// Cleanup takes down what is left of a container's last run: its network, mounts
// and cgroups. Other commands do that on their own when they meet such a container.
// Podman: container cleanup.
func (e *Engine) Cleanup(ctx context.Context, ref string) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	st, err := e.status(ctx, id)
	if err != nil {
		return err
	}
	if st.Phase == state.Initialized {
		return e.Stop(ctx, id, nil)
	}
	if st.Phase.Active() {
		return state.Errorf(state.ErrInvalid, "cannot clean up container %s: it is running or paused, stop it first", ref)
	}
	return nil
}
