package sandbox

import (
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

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

// group puts neighbouring rules that treat their system calls alike, whatever
// the arguments, into one, see runtime/libseccomp, Separator. Their order is
// kept: of two rules about one call the first counts.
func group(c *configs.Seccomp) {
	if c == nil {
		return
	}
	var out []*configs.Syscall
	var names []string // of the last one in out
	for _, r := range c.Syscalls {
		if strings.Contains(r.Name, libseccomp.Separator) {
			continue // no system call is called so: it must not pass for a group
		}
		if n := len(out); n > 0 && alike(out[n-1], r) {
			names = append(names, r.Name)
			continue
		}
		rename(out, names)
		one := *r
		out, names = append(out, &one), append(names[:0], r.Name)
	}
	rename(out, names)
	c.Syscalls = out
}

// rename gives the last rule the names that it stands for.
func rename(rules []*configs.Syscall, names []string) {
	if n := len(rules); n > 0 {
		rules[n-1].Name = strings.Join(names, libseccomp.Separator)
	}
}

// alike leaves out notifications, whose names libcontainer looks at.
func alike(a, b *configs.Syscall) bool {
	same := a.ErrnoRet == b.ErrnoRet || a.ErrnoRet != nil && b.ErrnoRet != nil && *a.ErrnoRet == *b.ErrnoRet
	return same && a.Action == b.Action && a.Action != configs.Notify && len(a.Args) == 0 && len(b.Args) == 0
}
