package stage

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/libpod"
	"skiff/libpod/hooks"
	"skiff/runtime/sandbox"
	"skiff/state"
)

// hookSet are the hooks that the runtime does not run: libcontainer runs
// poststart before the program begins, and nobody deletes a container through
// the runtime once it has run.
type hookSet struct{ poststart, poststop []state.Hook }

// hooks gives the container the hooks that are for it.
func (s *starter) findHooks(sp *specs.Spec) error {
	dirs := s.cfg.Extra().HooksDirs
	if len(dirs) == 0 {
		if s.facts.UserNS {
			return nil // the usual directories are root's
		}
		dirs = hooks.DefaultDirs()
	}
	rules, err := hooks.Read(dirs)
	if err != nil {
		return err
	}
	c := hooks.Container{Annotations: sp.Annotations, Program: sp.Process.Args[0]}
	c.BindMounts = slices.ContainsFunc(s.cfg.Mounts, func(m state.Mount) bool { return m.Type == state.MountBind })
	for _, r := range rules {
		if !r.Matches(c) {
			continue
		}
		if sp.Hooks == nil {
			sp.Hooks = &specs.Hooks{}
		}
		for _, stage := range r.Stages {
			s.addHook(sp.Hooks, stage, r)
		}
	}
	return nil
}

func (s *starter) addHook(to *specs.Hooks, stage string, r hooks.Rule) {
	h := specs.Hook{Path: r.Hook.Path, Args: r.Hook.Args, Env: r.Hook.Env}
	if r.Hook.Timeout > 0 {
		h.Timeout = &r.Hook.Timeout
	}
	switch stage {
	case hooks.Prestart, hooks.CreateRuntime:
		to.CreateRuntime = append(to.CreateRuntime, h)
	case hooks.CreateContainer:
		to.CreateContainer = append(to.CreateContainer, h)
	case hooks.StartContainer:
		to.StartContainer = append(to.StartContainer, h)
	case hooks.Poststart:
		s.own.poststart = append(s.own.poststart, r.Hook)
	case hooks.Poststop:
		s.own.poststop = append(s.own.poststop, r.Hook)
	default:
		s.warn("the hook " + r.Path + " does not run in the stage " + stage + ", which skiff does not have")
	}
}

// afterStart runs the hooks for a program that has begun. What fails in one does
// not concern the container (runtime-spec, "Lifecycle").
func (s *starter) afterStart(ctx context.Context, box *sandbox.Sandbox) {
	if len(s.own.poststart) == 0 {
		return
	}
	data, err := json.Marshal(libpod.RuntimeState(s.cfg, specs.StateRunning, box.Pid(), box.StateDir()))
	if err != nil {
		return
	}
	for _, h := range s.own.poststart {
		_ = hooks.Run(ctx, h, data)
	}
}

// undoHooks runs, when a start fails, the hooks for a container that is gone;
// once the monitor has been told of them it is its business.
func (s *starter) undoHooks() error {
	if s.announced {
		return nil
	}
	return s.engine.RunPoststop(s.cfg.ID, s.own.poststop)
}
