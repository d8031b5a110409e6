package stage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/libpod/hooks"
	"skiff/runtime/spec"
	"skiff/state"
)

// addVendors gives the container what the vendors of its devices say that it needs.
// They are asked at each start: a driver's update changes the answer.
func (s *starter) addVendors(sp *specs.Spec) error {
	var names []string
	for _, d := range s.cfg.Devices {
		if d.Vendor != "" {
			names = append(names, d.Vendor)
		}
	}
	if len(names) == 0 {
		return nil
	}
	user := sp.Process.User
	data, nodes, err := s.engine.VendorDevices(context.Background(), s.cfg.Extra().VendorDirs, names, user.UID, user.GID)
	if err != nil {
		return err
	}
	var add specs.Spec
	if err := json.Unmarshal(data, &add); err != nil {
		return fmt.Errorf("cannot understand what the devices need: %w", err)
	}
	spec.AddVendors(sp, &add, spec.VendorOptions{
		UserNS: s.facts.UserNS, Privileged: s.cfg.Security.Privileged, HostNodes: nodes,
	})
	s.vendorHooks(sp, add.Hooks)
	return nil
}

// vendorHooks adds hooks, of which skiff runs some itself.
func (s *starter) vendorHooks(sp *specs.Spec, add *specs.Hooks) {
	if add == nil {
		return
	}
	if sp.Hooks == nil {
		sp.Hooks = &specs.Hooks{}
	}
	for _, l := range []struct {
		stage string
		hooks []specs.Hook
	}{
		//lint:ignore SA1019 vendors still write it
		{hooks.Prestart, add.Prestart}, {hooks.CreateRuntime, add.CreateRuntime}, {hooks.CreateContainer, add.CreateContainer},
		{hooks.StartContainer, add.StartContainer}, {hooks.Poststart, add.Poststart}, {hooks.Poststop, add.Poststop},
	} {
		for _, h := range l.hooks {
			r := hooks.Rule{Hook: state.Hook{Path: h.Path, Args: h.Args, Env: h.Env}}
			if h.Timeout != nil {
				r.Hook.Timeout = *h.Timeout
			}
			s.addHook(sp.Hooks, l.stage, r)
		}
	}
}
