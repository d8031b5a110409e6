package spec

import (
	"fmt"
	"slices"
	"strings"

	"skiff/runtime/hostfacts"
)

// DefaultCapabilities are what a container has that asks for nothing: Docker's
// set without CAP_MKNOD and CAP_AUDIT_WRITE.
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID",
		"CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// Capabilities gives the bounding set, sorted, that results from what the user
// added and dropped. Names may be given in any case and without CAP_; ALL
// stands for every one. Dropping ALL and adding some leaves those; adding ALL
// and dropping some leaves the others.
func Capabilities(add, drop []string, privileged bool) ([]string, error) {
	added, addAll, err := normalize(add)
	if err != nil {
		return nil, fmt.Errorf("cannot add capability %w", err)
	}
	dropped, dropAll, err := normalize(drop)
	if err != nil {
		return nil, fmt.Errorf("cannot drop capability %w", err)
	}
	var set []string
	switch {
	case privileged || addAll:
		set = hostfacts.AllCapabilities()
	case !dropAll:
		set = DefaultCapabilities()
	}
	if privileged && dropAll {
		set = nil
	}
	set = slices.DeleteFunc(set, func(c string) bool { return slices.Contains(dropped, c) })
	for _, c := range added {
		if slices.Contains(dropped, c) {
			return nil, fmt.Errorf("cannot both add and drop capability %q", c)
		}
		set = append(set, c)
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// normalize spells names the kernel's way and takes ALL out of them.
func normalize(names []string) (out []string, all bool, err error) {
	known := hostfacts.AllCapabilities()
	for _, n := range names {
		c := strings.ToUpper(n)
		if c == "ALL" || c == "CAP_ALL" {
			all = true
			continue
		}
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if !slices.Contains(known, c) {
			return nil, false, fmt.Errorf("%q: there is no such capability", n)
		}
		out = append(out, c)
	}
	return out, all, nil
}

// capabilities are those of the config that this machine can give. It is an
// error only if the user named one that it cannot.
func (b *builder) capabilities() ([]string, error) {
	sec, have := b.cfg.Security, b.in.Host.Capabilities
	named, _, err := normalize(sec.CapAdd)
	if err != nil {
		return nil, fmt.Errorf("cannot add capability %w", err)
	}
	var out []string
	for _, c := range sec.Capabilities {
		if slices.Contains(have, c) {
			out = append(out, c)
		} else if slices.Contains(named, c) {
			return nil, fmt.Errorf("cannot add capability %q: skiff itself does not have it here", c)
		}
	}
	return out, nil
}
