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
	return m, nil
}

// optionKind groups options of which only one may be given.
func optionKind(o string) string {
	switch o {
	case "ro", "rw":
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
	case "nocopy":
		m.NoCopy = true
	case "bind":
		m.NonRecursive = true
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "U", "idmap":
		m.Options = append(m.Options, o)
	case "nocreate":
		m.MakeSource = false
	default:
		if text, ok := strings.CutPrefix(o, "idmap="); ok {
			return mapIDs(m, text)
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

// mapIDs reads the maps of the option idmap.
// mountError is a mistake that scripts know by the words with which Podman's message
// begins.
type mountError struct{ words, advice string }

func (e *mountError) Error() string { return e.words }

func mapIDs(m *state.Mount, text string) (err error) {
	m.Options = append(m.Options, "idmap")
	m.IDMap, err = state.ParseMountIDMap(text)
	return err
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
		k = strings.ToLower(strings.TrimSpace(k))
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
		switch v {
		case "enabled", "writable", "readonly":
		case "disabled":
			m.NonRecursive = true
		default:
			return fmt.Errorf("bind-recursive is %q: want enabled, disabled, writable or readonly", v)
		}
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
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "noswap", "tmpcopyup", "notmpcopyup":
		return plainOption(m, k, v, has)
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
	case "readonly", "ro", "rw", "bind-nonrecursive", "volume-nocopy", "U", "chown", "idmap",
		"readwrite", "z", "Z", "exec", "noexec", "dev", "nodev", "suid", "nosuid", "noswap", "tmpcopyup", "notmpcopyup":
		return true
	}
	return false
}

func knownKey(k string) bool {
	switch k {
	case "source", "src", "target", "destination", "dst", "dest", "bind-propagation", "bind-recursive",
		"volume-subpath", "subpath", "image-subpath", "tmpfs-size", "tmpfs-mode", "volume-driver", "consistency", "relabel",
		"volume-label", "volume-opt":
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

// finishMount checks the fields against each other; keys holds those that were
// given.
func finishMount(m *state.Mount, keys map[string]string, cwd string) (err error) {
	if err := finishTarget(m); err != nil {
		return err
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
	case state.MountTmpfs, state.MountRamfs:
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
		return &mountError{words: fmt.Sprintf("invalid filesystem type %q", keys["type"]), advice: ": want bind, volume, tmpfs, ramfs, image or glob"}
	}
	return nil
}

// Tmpfs reads one --tmpfs value: TARGET[:OPTION,…] in mount(8)'s words.
func Tmpfs(s string) (m state.Mount, err error) {
	dir, opts, has := strings.Cut(s, ":")
	m.Type = state.MountTmpfs
	if m.Target, err = target(dir); err != nil {
		return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
	}
	if !has || opts == "" {
		return m, nil
	}
	for _, o := range strings.Split(opts, ",") {
		k, v, _ := strings.Cut(o, "=")
		if err := tmpfsField(&m, k, v); err != nil {
			return m, fmt.Errorf("invalid tmpfs %q: %w", s, err)
		}
	}
	return m, nil
}

func tmpfsField(m *state.Mount, k, v string) error {
	word := k
	switch k {
	case "ro":
		m.ReadOnly = true
		return nil
	case "rw", "notmpcopyup":
		return nil
	case "private", "rprivate", "shared", "rshared", "slave", "rslave":
		m.Propagation = k
		return nil
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid", "sync", "async", "atime", "noatime", "diratime",
		"nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "tmpcopyup", "noswap":
		if v != "" {
			return fmt.Errorf("the option %q takes no value", k)
		}
	case "size", "nr_blocks":
		if !strings.HasSuffix(v, "%") {
			n, err := Size(v)
			if err != nil {
				return err
			}
			v = strconv.FormatInt(n, 10)
		} else if n, err := strconv.ParseUint(strings.TrimSuffix(v, "%"), 10, 16); err != nil || n == 0 {
			return fmt.Errorf("invalid size %q", v)
		}
		word = k + "=" + v
	case "mode":
		if _, err := strconv.ParseUint(v, 8, 12); err != nil {
			return fmt.Errorf("invalid mode %q: want an octal number such as 1777", v)
		}
		word = k + "=" + v
	case "uid", "gid", "nr_inodes":
		if _, err := strconv.ParseUint(v, 10, 32); err != nil {
			return fmt.Errorf("invalid value %q for %s: want a number", v, k)
		}
		word = k + "=" + v
	default:
		return fmt.Errorf("unknown option %q", k)
	}
	m.Options = append(m.Options, word)
	return nil
}
