package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/libpod/hooks"
	"skiff/state"
)

// RuntimeState is what hooks are told of a container. dir is where the OCI
// runtime keeps its state.
func RuntimeState(cfg *state.Config, status specs.ContainerState, pid int, dir string) specs.State {
	return specs.State{
		Version: specs.Version, ID: cfg.ID, Status: status, Pid: pid, Bundle: dir, Annotations: cfg.Annotations,
	}
}

// RunPoststop runs the hooks for a container of which nothing is left. All run,
// whatever becomes of one.
func (e *Engine) RunPoststop(id string, list []state.Hook) error {
	if len(list) == 0 {
		return nil
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return err
	}
	data, err := json.Marshal(RuntimeState(cfg, specs.StateStopped, 0, filepath.Join(e.Roots.Sandboxes(), id)))
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range list {
		errs = append(errs, hooks.Run(context.Background(), h, data))
	}
	return errors.Join(errs...)
}
