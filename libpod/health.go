package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/jsonfile"
)

// CheckHealth runs a container's health check now and gives its outcome:
// healthy, unhealthy, starting for a startup check that failed, or stopped where
// the container ended first. Podman: healthcheck run.
func (e *Engine) CheckHealth(ctx context.Context, ref string) (string, error) {
	cfg, st, err := e.found(ctx, ref)
	if err != nil {
		return "", err
	}
	switch {
	case st.Phase != state.Running:
		return "", fmt.Errorf("cannot check container %s: container %s is not running", ref, cfg.ID)
	case cfg.Healthcheck == nil:
		return "", fmt.Errorf("cannot check container %s: container %s has no defined healthcheck", ref, cfg.ID)
	}
	conn, err := monitorclient.Dial(e.Roots.Container(cfg.ID))
	var outcome string
	if err == nil {
		outcome, err = conn.CheckHealth(ctx)
	}
	if errors.Is(err, state.ErrNotFound) {
		return state.HealthStopped, nil // its monitor has just ended
	}
	if err != nil {
		return "", fmt.Errorf("cannot check container %s: %w", ref, err)
	}
	return outcome, nil
}

// healthOrder is the container's health check as its monitor is told of it.
func healthOrder(cfg *state.Config) *wire.Health {
	c := cfg.Healthcheck
	if c == nil {
		return nil
	}
	h := &wire.Health{Config: *c, Check: healthSpec(c.Test, c.Shell)}
	if c.Startup != nil {
		h.Startup = healthSpec(c.Startup.Test, c.Shell)
	}
	return h
}

// healthSpec is what the exec stage is to run for a test. Docker:
// daemon/health.go, cmdProbe.
func healthSpec(test, shell []string) json.RawMessage {
	args := test[1:]
	if test[0] == state.HealthShell {
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		args = append(slices.Clone(shell), strings.Join(args, " "))
	}
	data, err := json.Marshal(ExecRequest{Args: args})
	if err != nil {
		return nil // strings alone always have a JSON form
	}
	return data
}

// health reads how a container is, for those that have a health check.
func (e *Engine) health(c *Container) {
	if c.Config.Healthcheck == nil {
		return
	}
	h, err := e.Store.Health(c.Config.ID, c.Status.Phase.Active())
	if err != nil {
		e.warn(err.Error())
		return
	}
	if h == nil && c.Status.Phase.Active() {
		h = &state.Health{Status: state.HealthStarting}
	}
	c.Health = h
}

// keepHealth keeps how a container was whose monitor was killed.
func (e *Engine) keepHealth(cfg *state.Config) {
	if cfg.Healthcheck == nil {
		return
	}
	h, err := e.Store.Health(cfg.ID, true)
	if err != nil {
		return
	}
	if h == nil { // before its first check
		h = &state.Health{Version: state.HealthVersion}
	}
	if h.Status != state.HealthUnhealthy {
		h.Status, h.FailingStreak = state.HealthStopped, 0
	}
	e.warnOf(jsonfile.Write(e.Roots.Container(cfg.ID).LastHealth(), h, jsonfile.Volatile))
}
