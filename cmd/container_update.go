package cmd

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newUpdate(app *App) *cli.Command {
	flags := slices.DeleteFunc(resourceFlags(), func(f cli.Flag) bool {
		return oneOf(f.Names()[0], "oom-kill-disable", "oom-score-adj", "shm-size", "cgroup-parent")
	})
	return &cli.Command{
		Name:      "update",
		Usage:     "Change limits, health check, restart policy or published ports of containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Changes containers, at once where they run, and for their next start. What is not
named stays as it is. Environment and ulimits count from the next start on.

Examples:
skiff update --memory 512m --cpus 1.5 web
skiff update --publish 8081:80 --publish-rm 8080 web
skiff update --health-cmd 'wget -q -O /dev/null localhost' --health-interval 10s web`,
		Flags: append(append(flags, healthFlags()...),
			text("When to start again: no, on-failure[:COUNT], always, unless-stopped", "restart"),
			list("Environment variable, as NAME=VALUE, or NAME for the caller's value", "env", "e"),
			list("Environment variable to leave out", "unsetenv"),
			list("Publish a port, as [IP:][HOST:]CONTAINER[/PROTOCOL]", "publish", "p"),
			list("Take a published port back, as [IP:]HOST[:CONTAINER][/PROTOCOL]", "publish-rm"),
			toggle("Take the container made last", "latest", "l")),
		Action: func(c *cli.Context) error { return updateContainers(app, c) },
	}
}

func updateContainers(app *App, c *cli.Context) error {
	req, err := updateRequest(app, c)
	if err != nil {
		return err
	}
	return onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
		return e.Update(c.Context, ref, req)
	})(c)
}

func updateRequest(app *App, c *cli.Context) (libpod.UpdateRequest, error) {
	var req libpod.UpdateRequest
	if !slices.ContainsFunc(c.LocalFlagNames(), func(n string) bool { return n != "latest" && n != "l" }) {
		return req, usagef("you must provide one or more flags to update a container")
	}
	f := &form{c: c, cfg: &state.Config{}, warn: app.Log.Warn, docker: app.Docker}
	for _, step := range []func(){f.conflicts, f.environment, f.memory, f.cpu, f.blockIO, f.limits} {
		step()
	}
	word(f, "restart", parse.Restart, func(p state.RestartPolicy) { f.cfg.Restart = p })
	values(f, "publish", parse.Publish, func(p []state.Port) { req.Publish = append(req.Publish, p...) })
	values(f, "publish-rm", parse.Unpublish, func(m state.PortMatch) { req.Unpublish = append(req.Unpublish, m) })
	health := f.healthChange()
	if f.err != nil {
		return req, usage(f.err)
	}
	unset := c.StringSlice("unsetenv")
	req.Change = func(cfg *state.Config) error {
		if err := health(cfg); err != nil {
			return err
		}
		changeLimits(&cfg.Resources, f.cfg.Resources)
		if f.cfg.Restart.Name != "" {
			cfg.Restart = f.cfg.Restart
		}
		cfg.Process.Env = changeEnv(cfg.Process.Env, f.cfg.Process.Env, unset)
		for _, u := range f.cfg.Ulimits {
			replace(&cfg.Ulimits, u, func(o state.Ulimit) bool { return o.Name == u.Name })
		}
		return nil
	}
	return req, nil
}

// changeLimits puts the limits that are given over those of r. As with Docker 0
// leaves a limit as it is.
func changeLimits(r *state.Resources, given state.Resources) {
	over(&r.Memory, given.Memory)
	over(&r.MemorySwap, given.MemorySwap)
	over(&r.MemoryReservation, given.MemoryReservation)
	over(&r.MemorySwappiness, given.MemorySwappiness)
	over(&r.NanoCPUs, given.NanoCPUs)
	over(&r.CPUShares, given.CPUShares)
	over(&r.CPUPeriod, given.CPUPeriod)
	over(&r.CPUQuota, given.CPUQuota)
	over(&r.CPURealtimePeriod, given.CPURealtimePeriod)
	over(&r.CPURealtimeRuntime, given.CPURealtimeRuntime)
	over(&r.CpusetCpus, given.CpusetCpus)
	over(&r.CpusetMems, given.CpusetMems)
	over(&r.PidsLimit, given.PidsLimit)
	over(&r.BlkioWeight, given.BlkioWeight)
	for _, w := range given.BlkioWeightDevice {
		replace(&r.BlkioWeightDevice, w, func(o state.WeightDevice) bool { return o.Path == w.Path })
	}
	for _, l := range []struct {
		to    *[]state.ThrottleDevice
		given []state.ThrottleDevice
	}{
		{&r.DeviceReadBps, given.DeviceReadBps}, {&r.DeviceWriteBps, given.DeviceWriteBps},
		{&r.DeviceReadIOps, given.DeviceReadIOps}, {&r.DeviceWriteIOps, given.DeviceWriteIOps},
	} {
		for _, t := range l.given {
			replace(l.to, t, func(o state.ThrottleDevice) bool { return o.Path == t.Path })
		}
	}
}

func over[T comparable](to *T, from T) {
	var zero T
	if from != zero {
		*to = from
	}
}

// replace puts v in the place of the one that is the same thing, or at the end.
func replace[T any](list *[]T, v T, same func(T) bool) {
	if i := slices.IndexFunc(*list, same); i >= 0 {
		(*list)[i] = v
		return
	}
	*list = append(*list, v)
}

// changeEnv leaves variables out and sets others.
func changeEnv(env, set, unset []string) []string {
	name := func(kv string) string { n, _, _ := strings.Cut(kv, "="); return n }
	env = slices.DeleteFunc(env, func(kv string) bool { return slices.Contains(unset, name(kv)) })
	for _, kv := range set {
		replace(&env, kv, func(o string) bool { return name(o) == name(kv) })
	}
	return env
}
