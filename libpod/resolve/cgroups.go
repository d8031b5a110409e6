package resolve

import (
	"skiff/runtime/spec"
	"skiff/state"
)

// defaultCgroups takes what containers.conf says where --cgroups says nothing.
func (b *builder) defaultCgroups() {
	mode := b.in.Defaults.Containers.Cgroups
	if b.in.Given.Cgroups || mode != state.CgroupsDisabled && mode != state.CgroupsSplit {
		return // the others are what is done anyway
	}
	x := b.cfg.Extra()
	x.Cgroups = mode
	b.cfg.Extras = &x
}

// cgroups checks that what else was asked for goes with --cgroups.
func (b *builder) cgroups(x state.Extras) error {
	c, option := b.cfg, "--cgroups "+x.Cgroups
	if x.Cgroups == "" {
		return nil
	}
	if c.CgroupParent != "" {
		return conflict(option, "--cgroup-parent")
	}
	if x.Cgroups != state.CgroupsDisabled {
		return nil
	}
	if limit := spec.FirstLimit(c.Resources); limit != "" {
		return conflict(option, limit)
	}
	switch {
	case b.in.Given.PidsLimit && c.Resources.PidsLimit > 0:
		return conflict(option, "--pids-limit")
	case len(x.CgroupConf) > 0:
		return conflict(option, "--cgroup-conf")
	case len(x.DeviceRules) > 0:
		return conflict(option, "--device-cgroup-rule")
	case x.WritableCgroups:
		return conflict(option, "--security-opt writable-cgroups")
	case c.Namespaces.Cgroup != "" && c.Namespaces.Cgroup != "host":
		return conflict(option, "--cgroupns")
	}
	c.Namespaces.Cgroup = "host"
	return nil
}
