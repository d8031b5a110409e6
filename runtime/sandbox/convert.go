package sandbox

import (
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
)

func capabilities(c *specs.LinuxCapabilities) *configs.Capabilities {
	if c == nil {
		return nil
	}
	return &configs.Capabilities{
		Bounding:    c.Bounding,
		Effective:   c.Effective,
		Inheritable: c.Inheritable,
		Permitted:   c.Permitted,
		Ambient:     c.Ambient,
	}
}

// rlimits: libcontainer wants numbers where the specification has names.
// runtime/spec has checked the names.
func rlimits(in []specs.POSIXRlimit) []configs.Rlimit {
	var out []configs.Rlimit
	names := hostfacts.RlimitNames()
	for _, l := range in {
		n := slices.Index(names, strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_")))
		if n >= 0 {
			out = append(out, configs.Rlimit{Type: n, Soft: l.Soft, Hard: l.Hard})
		}
	}
	return out
}
