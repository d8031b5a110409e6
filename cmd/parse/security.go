package parse

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

// SecurityOpt takes one --security-opt value into sec. readProfile gives the
// content of a seccomp profile; it is called at most once.
func SecurityOpt(sec *state.Security, s string, readProfile func(path string) (string, error)) error {
	key, val, has := strings.Cut(s, "=")
	if !has { // Docker's old way of writing it
		key, val, has = strings.Cut(s, ":")
	}
	sec.Options = append(sec.Options, s)
	if !has && key != "no-new-privileges" && key != "disable" && key != "writable-cgroups" {
		return fmt.Errorf("invalid security option %q: want name=value", s)
	}
	switch key {
	case "no-new-privileges":
		if !has {
			sec.NoNewPrivileges = true
			return nil
		}
		b, err := strconv.ParseBool(val)
		if err != nil {
			return fmt.Errorf("invalid security option %q: want true or false", s)
		}
		sec.NoNewPrivileges = b
	case "seccomp":
		return seccomp(sec, val, readProfile)
	case "apparmor":
		if val == "" || strings.ContainsAny(val, " \t\n\x00") {
			return fmt.Errorf("invalid security option %q: that is no profile name", s)
		}
		sec.AppArmor = val
	case "label":
		return label(sec, s, val)
	case "mask":
		return paths(&sec.Mask, s, val)
	case "unmask":
		if strings.EqualFold(val, "all") {
			sec.Unmask = append(sec.Unmask, "ALL")
			return nil
		}
		return paths(&sec.Unmask, s, val)
	case "systempaths":
		if val != "unconfined" {
			return fmt.Errorf("invalid security option %q: want systempaths=unconfined", s)
		}
		sec.Unmask = append(sec.Unmask, "ALL")
	case "proc-opts", "writable-cgroups": // ExtraSecurity's
	default:
		return fmt.Errorf("unknown security option %q: want apparmor, label, mask, no-new-privileges, seccomp, systempaths or unmask", s)
	}
	return nil
}

func seccomp(sec *state.Security, val string, readProfile func(string) (string, error)) error {
	switch val {
	case "":
		return fmt.Errorf("invalid security option %q: want unconfined, builtin or the path of a profile", "seccomp=")
	case "builtin", "default":
		sec.Seccomp, sec.SeccompPath = "", ""
		return nil
	case "unconfined":
		sec.Seccomp, sec.SeccompPath = val, ""
		return nil
	}
	profile, err := readProfile(val)
	if err != nil {
		return fmt.Errorf("cannot read the seccomp profile %q: %w", val, err)
	}
	sec.Seccomp, sec.SeccompPath = profile, val
	return nil
}

func label(sec *state.Security, s, val string) error {
	key, _, _ := strings.Cut(val, ":")
	switch key {
	case "disable", "nested":
	case "user", "role", "type", "level", "filetype":
		if key == val {
			return fmt.Errorf("invalid security option %q: want label=%s:VALUE", s, key)
		}
	default:
		return fmt.Errorf("invalid security option %q: want label=disable, user:, role:, type:, level: or filetype:", s)
	}
	sec.Label = append(sec.Label, val)
	return nil
}

func paths(dst *[]string, s, val string) error {
	for _, p := range strings.Split(val, ":") {
		if !strings.HasPrefix(p, "/") {
			return fmt.Errorf("invalid security option %q: %q is not an absolute path", s, p)
		}
		*dst = append(*dst, p)
	}
	return nil
}

// Capability gives a capability's name in the form CAP_NAME, or ALL. A comma
// separates several. Docker: --cap-add, --cap-drop.
func Capability(s string) ([]string, error) {
	var out []string
	for _, word := range strings.Split(s, ",") {
		name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(word)), "CAP_")
		if name != "ALL" {
			name = "CAP_" + name
			if !slices.Contains(hostfacts.AllCapabilities(), name) {
				return nil, fmt.Errorf("unknown capability %q: want a name such as NET_ADMIN, or ALL", word)
			}
		}
		out = append(out, name)
	}
	return out, nil
}

// Namespace checks where a namespace comes from. kind is pid, ipc, uts, userns
// or cgroupns. A container's name after container: stays as it was typed.
// Docker: --pid, --ipc, --uts, --userns, --cgroupns.
func Namespace(kind, s string) (string, error) {
	allowed := "private, host or container:NAME"
	switch {
	case s == "", s == "private", s == "host":
		return s, nil
	case strings.HasPrefix(s, "ns:/") && kind != "userns":
		return s, nil
	case strings.HasPrefix(s, "container:") && len(s) > len("container:"):
		return s, nil
	case kind == "userns" && userNamespace(s):
		return s, nil
	case kind == "ipc" && (s == "none" || s == "shareable"):
		return s, nil
	}
	if kind == "ipc" {
		allowed = "none, private, shareable, host or container:NAME"
	} else if kind == "userns" {
		allowed = "auto, container:NAME, host, keep-id, nomap, ns:PATH or private"
	}
	return "", fmt.Errorf("invalid value %q for --%s: want %s", s, kind, allowed)
}

// userNamespace says whether s is one of the modes that only user namespaces
// have; their options are read when the namespace is planned (libpod/idmap).
func userNamespace(s string) bool {
	if state.IsNamespacePath(s) {
		return filepath.IsAbs(s[len(state.ModeNamespacePath):])
	}
	name, _, _ := strings.Cut(s, ":")
	return name == "auto" || name == "keep-id" || name == "nomap"
}
