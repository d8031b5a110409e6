package resolve

import (
	"strings"
	"testing"

	"skiff/state"
)

func TestCgroupModes(t *testing.T) {
	swap := int64(1 << 20)
	for name, c := range map[string]struct {
		mode string
		set  func(*state.Config, *Given)
		want string // of the error; empty for none
	}{
		"none, without limits":       {mode: state.CgroupsDisabled},
		"none, and the host's view":  {mode: state.CgroupsDisabled, set: func(c *state.Config, _ *Given) { c.Namespaces.Cgroup = "host" }},
		"none, and a view of it":     {state.CgroupsDisabled, func(c *state.Config, _ *Given) { c.Namespaces.Cgroup = "private" }, "--cgroupns"},
		"none, below a parent":       {state.CgroupsDisabled, func(c *state.Config, _ *Given) { c.CgroupParent = "/x" }, "--cgroup-parent"},
		"none, with a limit":         {state.CgroupsDisabled, func(c *state.Config, _ *Given) { c.Resources.MemorySwappiness = &swap }, "--memory-swappiness"},
		"none, no limit of tasks":    {mode: state.CgroupsDisabled, set: func(c *state.Config, g *Given) { c.Resources.PidsLimit, g.PidsLimit = -1, true }},
		"none, the default asked":    {state.CgroupsDisabled, func(c *state.Config, g *Given) { c.Resources.PidsLimit, g.PidsLimit = 2048, true }, "--pids-limit"},
		"none, with a file of it":    {state.CgroupsDisabled, func(c *state.Config, _ *Given) { c.Extras.CgroupConf = map[string]string{"a": "b"} }, "--cgroup-conf"},
		"none, with a rule":          {state.CgroupsDisabled, func(c *state.Config, _ *Given) { c.Extras.DeviceRules = []string{"a *:* r"} }, "--device-cgroup-rule"},
		"divided, with a limit":      {mode: state.CgroupsSplit, set: func(c *state.Config, _ *Given) { c.Resources.Memory = 1 << 30 }},
		"divided, below a parent":    {state.CgroupsSplit, func(c *state.Config, _ *Given) { c.CgroupParent = "/x" }, "--cgroup-parent"},
		"the usual one, all of them": {set: func(c *state.Config, _ *Given) { c.Resources.Memory, c.CgroupParent = 1<<30, "/x" }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &state.Config{Extras: &state.Extras{Cgroups: c.mode}}
			b := &builder{cfg: cfg}
			if c.set != nil {
				c.set(cfg, &b.in.Given)
			}
			err := b.cgroups(cfg.Extra())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got the error %q, want none", err)
			case c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), " and "+c.want)):
				t.Errorf("got the error %v, want one about %s", err, c.want)
			}
			if c.mode == state.CgroupsDisabled && err == nil && cfg.Namespaces.Cgroup != "host" {
				t.Errorf("got the cgroup namespace %q, want host", cfg.Namespaces.Cgroup)
			}
		})
	}
}
