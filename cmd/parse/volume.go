package parse

import (
	"fmt"
	"path"
	"strings"

	"skiff/state"
)

// Volume reads one -v value: [SOURCE:]TARGET[:OPTION,…]. SOURCE is a path if it
// begins with / or . (relative to cwd), else a volume's name. Docker: --volume.
func Volume(s, cwd string) (state.Mount, error) {
	m, err := volume(s, cwd)
	if err != nil {
		return m, fmt.Errorf("invalid volume %q: %w", s, err)
	}
	return m, nil
}

func volume(s, cwd string) (m state.Mount, err error) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return m, fmt.Errorf("want [SOURCE:]TARGET[:OPTIONS]")
	}
	if len(parts) == 1 {
		m.Type, m.Anonymous = state.MountVolume, true
		m.Target, err = target(parts[0])
		return m, err
	}
	if parts[0] == "" {
		return m, fmt.Errorf("the source is empty")
	}
	switch src := parts[0]; {
	case path.IsAbs(src):
		m.Type, m.Source, m.MakeSource = state.MountBind, path.Clean(src), true
	case src[0] == '.':
		m.Type, m.Source, m.MakeSource = state.MountBind, path.Join(cwd, src), true
	case isName(src):
		m.Type, m.Source = state.MountVolume, src
	default:
		return m, fmt.Errorf("%q is not a volume name ([a-zA-Z0-9][a-zA-Z0-9_.-]*); for a host directory use a path that begins with / or ./", src)
	}
	if m.Target, err = target(parts[1]); err != nil || len(parts) == 2 {
		return m, err
	}
	seen := map[string]string{}
	for _, o := range strings.Split(parts[2], ",") {
		if kind := optionKind(o); kind != "" {
			if other, dup := seen[kind]; dup {
				return m, fmt.Errorf("the options %q and %q exclude each other", other, o)
			}
			seen[kind] = o
		}
		if err := volumeOption(&m, o); err != nil {
			return m, err
		}
	}
	return m, checkOverlay(&m)
}

// optionKind groups options of which only one may be given.
func optionKind(o string) string {
	switch o {
	case "ro", "rw", "rro":
		return "access"
	case "z", "Z":
		return "label"
	case "copy", "nocopy":
		return "copy"
	case "exec", "noexec":
		return "exec"
	case "dev", "nodev":
		return "dev"
	case "suid", "nosuid":
		return "suid"
	case "bind", "rbind":
		return "recursion"
	}
	if isPropagation(o) {
		return "propagation"
	}
	return ""
}

func isPropagation(o string) bool {
	switch o {
	case "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable":
		return true
	}
	return false
}

func volumeOption(m *state.Mount, o string) error {
	switch o {
	case "rw", "copy", "z", "Z", "rbind", "cached", "delegated", "consistent":
		// The default, or a label or hint that has no meaning on this platform.
	case "ro":
		m.ReadOnly = true
	case "rro":
		m.ReadOnly, m.Below = true, state.BelowReadOnly
	case "O":
		m.Overlay = overlayOf(m)
	case "nocopy":
		m.NoCopy = true
	case "bind":
		m.NonRecursive = true
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "U", "idmap":
		m.Options = append(m.Options, o)
	case "nocreate":
		m.MakeSource = false
	default:
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "idmap":
			return mapIDs(m, value)
		case "upperdir":
			m.Overlay = overlayOf(m)
			return overlayDir(&m.Overlay.Upper, o, value)
		case "workdir":
			m.Overlay = overlayOf(m)
			return overlayDir(&m.Overlay.Work, o, value)
		}
		if !isPropagation(o) {
			return fmt.Errorf("unknown option %q", o)
		}
		if m.Type != state.MountBind {
			return fmt.Errorf("the option %q is for host paths only", o)
		}
		m.Propagation = o
	}
	return nil
}

// mountError is a mistake that scripts know by the words with which Podman's message
// begins.
type mountError struct{ words, advice string }

func (e *mountError) Error() string { return e.words }

// mapIDs reads the maps of the option idmap.
func mapIDs(m *state.Mount, text string) (err error) {
	m.Options = append(m.Options, "idmap")
	m.IDMap, err = state.ParseMountIDMap(text)
	return err
}
