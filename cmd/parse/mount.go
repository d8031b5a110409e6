package parse

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"skiff/state"
)

// target checks a path in the container and cleans it.
func target(p string) (string, error) {
	if !path.IsAbs(p) {
		return "", fmt.Errorf("the path in the container %q is not absolute", p)
	}
	if p = path.Clean(p); p == "/" {
		return "", fmt.Errorf("the path in the container must not be /")
	}
	if strings.ContainsAny(p, "\x00\n") {
		return "", fmt.Errorf("the path in the container %q contains a control character", p)
	}
	return p, nil
}

// MountSpec reads one --mount value: key=value fields, comma separated, quoted
// as in CSV. cwd is what a relative source that begins with . is relative to.
// Docker: --mount.
func MountSpec(s, cwd string) (state.Mount, error) {
	m, err := mountSpec(s, cwd)
	if err != nil {
		var first *mountError
		if errors.As(err, &first) {
			return m, fmt.Errorf("%w: invalid mount %q%s", err, s, first.advice)
		}
		return m, fmt.Errorf("invalid mount %q: %w", s, err)
	}
	return m, nil
}

func mountSpec(s, cwd string) (m state.Mount, err error) {
	r := csv.NewReader(strings.NewReader(s))
	fields, err := r.Read()
	if err != nil {
		return m, fmt.Errorf("want key=value fields with commas between: %v", err)
	}
	m.Type = state.MountVolume
	keys := map[string]string{}
	for _, f := range fields {
		k, v, has := strings.Cut(f, "=")
		if k = strings.TrimSpace(k); k != "U" && k != "Z" {
			k = strings.ToLower(k)
		}
		if k == "type" {
			m.Type, keys[k] = strings.ToLower(v), v
			continue
		}
		if err := mountField(&m, k, v, has); err != nil {
			return m, err
		}
		keys[k] = f
	}
	return m, finishMount(&m, keys, cwd)
}

func mountField(m *state.Mount, k, v string, has bool) error {
	flag := func(dst *bool) error {
		b, err := boolField(k, v, has)
		*dst = b
		return err
	}
	if !has && !isFlagKey(k) {
		if knownKey(k) {
			return fmt.Errorf("the key %q needs a value", k)
		}
		return fmt.Errorf("unknown key %q", k)
	}
	switch k {
	case "source", "src":
		m.Source = v
	case "target", "destination", "dst", "dest":
		m.Target = v
	case "readonly", "ro":
		return flag(&m.ReadOnly)
	case "rw", "readwrite":
		var rw bool
		err := flag(&rw)
		m.ReadOnly = !rw
		return err
	case "bind-nonrecursive":
		return flag(&m.NonRecursive)
	case "volume-nocopy":
		return flag(&m.NoCopy)
	case "U", "chown", "idmap":
		if k == "idmap" && strings.Contains(v, "=") {
			return mapIDs(m, v)
		}
		var on bool
		err := flag(&on)
		if k == "chown" {
			k = "U"
		}
		if on {
			m.Options = append(m.Options, k)
		}
		return err
	case "bind-propagation":
		if !isPropagation(v) {
			return fmt.Errorf("unknown propagation %q", v)
		}
		m.Propagation = v
	case "bind-recursive":
		return recursion(m, v)
	case "bind-create-src":
		return flag(&m.MakeSource)
	case "volume-subpath", "subpath", "image-subpath":
		if path.IsAbs(v) && k == "volume-subpath" || v == "" || path.Clean("./"+v) == ".." || strings.HasPrefix(path.Clean("./"+v), "../") {
			return fmt.Errorf("%s %q must be a relative path that stays inside", k, v)
		}
		m.Subpath = path.Clean(v)
	case "tmpfs-size", "tmpfs-mode":
		return tmpfsField(m, strings.TrimPrefix(k, "tmpfs-"), v)
	case "z", "Z":
		var label bool // for SELinux, see volumeOption
		return flag(&label)
	case "uid", "gid", "mode", "max":
		return devptsField(m, k, v)
	default:
		if isPlainKey(k) {
			return plainOption(m, k, v, has)
		}
		return otherField(k, v)
	}
	return nil
}

// otherField reads the keys that say nothing here.
func otherField(k, v string) error {
	switch k {
	case "volume-driver":
		if v != "local" {
			return fmt.Errorf("unknown volume driver %q: only local is there", v)
		}
	case "consistency", "relabel", "volume-label", "volume-opt": // VolumeSpec reads the last two
	default:
		return fmt.Errorf("unknown key %q", k)
	}
	return nil
}

// recursion reads bind-recursive. Docker: the same words.
func recursion(m *state.Mount, v string) error {
	switch v {
	case "enabled":
	case "disabled":
		m.NonRecursive = true
	case state.BelowWritable, state.BelowReadOnly:
		m.Below = v
	default:
		return fmt.Errorf("bind-recursive is %q: want enabled, disabled, writable or readonly", v)
	}
	return nil
}

// devptsField is an option of a devpts of the user's. Podman: the same keys.
func devptsField(m *state.Mount, k, v string) error {
	base := 10
	if k == "mode" {
		base = 8
	}
	if _, err := strconv.ParseUint(v, base, 32); err != nil {
		return fmt.Errorf("invalid value %q for %s: want a number", v, k)
	}
	m.Options = append(m.Options, k+"="+v)
	return nil
}

// isPlainKey: mount(8)'s options that --mount takes as keys.
func isPlainKey(k string) bool {
	switch k {
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "noswap", "tmpcopyup", "notmpcopyup",
		"noatime", "relatime", "strictatime", "nodiratime":
		return true
	}
	return false
}

// plainOption is an option of mount(8) as a key of its own, as Podman takes them.
func plainOption(m *state.Mount, k, v string, has bool) error {
	on, err := boolField(k, v, has)
	if err == nil && on {
		m.Options = append(m.Options, k)
	}
	return err
}

func isFlagKey(k string) bool {
	switch k {
	case "readonly", "ro", "rw", "bind-nonrecursive", "bind-create-src", "volume-nocopy", "U", "chown", "idmap",
		"readwrite", "z", "Z":
		return true
	}
	return isPlainKey(k)
}

func knownKey(k string) bool {
	switch k {
	case "source", "src", "target", "destination", "dst", "dest", "bind-propagation", "bind-recursive",
		"volume-subpath", "subpath", "image-subpath", "tmpfs-size", "tmpfs-mode", "volume-driver", "consistency", "relabel",
		"volume-label", "volume-opt", "uid", "gid", "mode", "max":
		return true
	}
	return false
}

func boolField(k, v string, has bool) (bool, error) {
	if !has {
		return true, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("invalid value %q for %s: want true or false", v, k)
	}
	return b, nil
}

// Glob is the type of a mount that stands for one bind mount per path of the host
// that its source, a pattern, matches. The target is a directory for them all; where
// there is none each is mounted at its own path. Podman: --mount type=glob.
const Glob = "glob"

// Matched is the bind mount of one path that a Glob matched.
func Matched(m state.Mount, file string) state.Mount {
	m.Type, m.Source = state.MountBind, file
	if m.Target == "" {
		m.Target = file
	} else {
		m.Target = path.Join(m.Target, path.Base(file))
	}
	return m
}

func finishTarget(m *state.Mount) (err error) {
	if m.Target == "" {
		if m.Type == Glob {
			return nil
		}
		return &mountError{words: "must set volume destination", advice: " has no target"}
	}
	m.Target, err = target(m.Target)
	return err
}

// checkBelow refuses what bind-recursive cannot promise. Docker: the same rules.
func checkBelow(m *state.Mount) error {
	switch {
	case m.Below != "" && !m.ReadOnly:
		return fmt.Errorf("bind-recursive=%s needs readonly", m.Below)
	case m.Below == state.BelowReadOnly && m.Propagation != "" && m.Propagation != "rprivate":
		return fmt.Errorf("bind-recursive=readonly needs bind-propagation=rprivate: what %s lets in later would be writable", m.Propagation)
	case m.Below != "" && m.NonRecursive:
		return fmt.Errorf("bind-recursive=%s does not go with bind-nonrecursive", m.Below)
	}
	return nil
}

// finishMount checks the fields against each other; keys holds those that were
// given.
func finishMount(m *state.Mount, keys map[string]string, cwd string) (err error) {
	if err := finishTarget(m); err != nil {
		return err
	}
	for _, k := range []string{"uid", "gid", "mode", "max"} {
		if keys[k] != "" && m.Type != state.MountDevpts {
			return fmt.Errorf("the key %q does not go with type=%s", k, m.Type)
		}
	}
	for _, o := range m.Options {
		if !m.InMemory() && (o == "noswap" || o == "tmpcopyup" || o == "notmpcopyup") {
			return fmt.Errorf("the key %q does not go with type=%s", o, m.Type)
		}
	}
	for k := range keys {
		kind, _, ok := strings.Cut(k, "-")
		if kind == state.MountTmpfs && m.Type == state.MountRamfs {
			continue
		}
		if ok && (kind == state.MountBind || kind == state.MountVolume || kind == state.MountTmpfs || kind == state.MountImage) && kind != m.Type {
			return fmt.Errorf("the key %q does not go with type=%s", k, m.Type)
		}
	}
	if err := checkBelow(m); err != nil {
		return err
	}
	switch m.Type {
	case state.MountBind, Glob:
		if m.Source == "" {
			return fmt.Errorf("a %s mount needs a source", m.Type)
		}
		if !path.IsAbs(m.Source) {
			if m.Source[0] != '.' {
				return fmt.Errorf("the source %q is not an absolute path", m.Source)
			}
			m.Source = path.Join(cwd, m.Source)
		}
		m.Source = path.Clean(m.Source)
	case state.MountVolume:
		m.Anonymous = m.Source == ""
		if !m.Anonymous && !isName(m.Source) {
			return fmt.Errorf("%q is not a volume name; for a host directory use type=bind", m.Source)
		}
	case state.MountTmpfs, state.MountRamfs, state.MountDevpts:
		if m.Source != "" {
			return fmt.Errorf("a %s has no source", m.Type)
		}
	case state.MountImage:
		if m.Source == "" {
			return fmt.Errorf("an image mount needs a source")
		}
		if keys["rw"] == "" && keys["readwrite"] == "" {
			m.ReadOnly = true
		}
	default:
		return &mountError{words: fmt.Sprintf("invalid filesystem type %q", keys["type"]), advice: ": want bind, volume, tmpfs, ramfs, devpts, image or glob"}
	}
	return nil
}
