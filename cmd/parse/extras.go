package parse

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

// Umask reads an octal file mode creation mask. Podman: --umask.
func Umask(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("invalid umask %q: want an octal number such as 0022", s)
	}
	return uint32(n), nil
}

// Timezone checks a time zone's name, or "local". Podman: --tz.
func Timezone(s string) (string, error) {
	if s == "" || path.IsAbs(s) || path.Clean(s) != s || strings.HasPrefix(s, "..") || strings.ContainsAny(s, "\x00\n") {
		return "", fmt.Errorf("invalid time zone %q: want a name such as Europe/Berlin, or local", s)
	}
	return s, nil
}

// Personality checks an execution domain, see personality(2). Podman: --personality.
func Personality(s string) (string, error) {
	if s != "LINUX" && s != "LINUX32" {
		return "", fmt.Errorf("invalid personality %q: want LINUX or LINUX32", s)
	}
	return s, nil
}

// Systemd gives "true", "false" or "always". Podman: --systemd.
func Systemd(s string) (string, error) {
	if s == "always" {
		return s, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("invalid value %q for --systemd: want true, false or always", s)
	}
	return strconv.FormatBool(b), nil
}

// ImageVolume gives what becomes of an image's volumes: "anonymous", "tmpfs" or
// "ignore". Podman: --image-volume.
func ImageVolume(s string) (string, error) {
	switch s {
	case "bind", "anonymous":
		return "anonymous", nil
	case "tmpfs", "ignore":
		return s, nil
	}
	return "", fmt.Errorf("invalid value %q for --image-volume: want anonymous, tmpfs or ignore", s)
}

// DeviceRule checks a rule such as "c 42:* rwm" and completes one without a minor
// number, which is about all. Docker: --device-cgroup-rule; the short form: Podman.
func DeviceRule(s string) (string, error) {
	// The beginnings are Podman's, which scripts know.
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+", want \"TYPE MAJOR[:MINOR] ACCESS\", such as \"c 42:* rwm\"", args...)
	}
	f := strings.Fields(s)
	if len(f) != 3 {
		return "", bad("invalid device cgroup rule requires type, major:Minor, and access rules: %q", s)
	}
	if !slices.Contains([]string{"a", "b", "c"}, f[0]) {
		return "", bad("invalid device type in device-access-add: %s: invalid device cgroup rule %q", f[0], s)
	}
	if rest := strings.Trim(f[2], "rwm"); rest != "" || len(f[2]) > 3 {
		return "", bad("invalid device access in device-access-add: %s: invalid device cgroup rule %q", cmp.Or(rest, f[2]), s)
	}
	major, minor, ok := strings.Cut(f[1], ":")
	if !ok {
		minor = "*"
	}
	for _, n := range []string{major, minor} {
		if _, err := strconv.ParseUint(n, 10, 32); err != nil && n != "*" {
			return "", bad("invalid device cgroup rule %q: %q is not a device number", s, n)
		}
	}
	return f[0] + " " + major + ":" + minor + " " + f[2], nil
}

// CgroupConf reads FILE=VALUE. Podman: --cgroup-conf.
func CgroupConf(s string) ([2]string, error) {
	file, value, ok := strings.Cut(s, "=")
	if !ok || file == "" || strings.ContainsAny(file, "/\x00") || file[0] == '.' {
		return [2]string{}, fmt.Errorf("invalid value %q for --cgroup-conf: want FILE=VALUE, such as memory.high=1073741824", s)
	}
	return [2]string{file, value}, nil
}

// FDs reads a list of descriptors with commas between. Podman: --preserve-fd.
func FDs(s string) ([]int, error) {
	var out []int
	for _, word := range strings.Split(s, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(word), 10, 16)
		if err != nil || n < 3 || n > MaxFD {
			return nil, fmt.Errorf("invalid descriptor %q: want a number from 3 to %d", word, MaxFD)
		}
		out = append(out, int(n))
	}
	return out, nil
}

// MaxFD is the highest descriptor that can be preserved.
const MaxFD = 200

// HostRoot reads DIRECTORY[:O], relative to cwd. Podman: --rootfs.
func HostRoot(s, cwd string) (*state.HostRoot, error) {
	dir, opt, has := strings.Cut(s, ":")
	if dir == "" || has && opt != "O" {
		return nil, fmt.Errorf("invalid root file system %q: want DIRECTORY or DIRECTORY:O", s)
	}
	if !path.IsAbs(dir) {
		dir = path.Join(cwd, dir)
	}
	return &state.HostRoot{Path: path.Clean(dir), Overlay: has}, nil
}

// secretsDir is where files of secrets are in a container.
const secretsDir = "/run/secrets"

// Secret reads NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]; the
// secret's id is left empty. Podman: --secret.
func Secret(s string) (state.SecretUse, error) {
	name, rest, more := strings.Cut(s, ",")
	out := state.SecretUse{Name: name, Mode: 0o444}
	invalid := func(why string) (state.SecretUse, error) {
		return out, fmt.Errorf("invalid secret %q: %s", s, why)
	}
	kind, target, files := "mount", "", ""
	var fields []string
	if k, v, ok := strings.Cut(name, "="); ok { // Docker's form
		if k != "source" && k != "src" {
			return invalid("want the secret's name first")
		}
		out.Name = v
	}
	if more {
		fields = strings.Split(rest, ",")
	}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		var err error
		switch k {
		case "type":
			kind = v
		case "target":
			target = v
		case "uid":
			out.UID, err = id(v)
			files = k
		case "gid":
			out.GID, err = id(v)
			files = k
		case "mode":
			var n uint64
			n, err = strconv.ParseUint(v, 8, 32)
			if out.Mode, files = uint32(n), k; n > 0o7777 {
				return invalid("the mode is not an octal number up to 7777")
			}
		default:
			return invalid(fmt.Sprintf("unknown option %q: want type, target, uid, gid or mode", k))
		}
		if err != nil {
			return invalid(fmt.Sprintf("the value of %s is not a number", k))
		}
	}
	switch {
	case out.Name == "":
		return invalid("it has no name")
	case kind == "env" && files != "":
		return invalid(files + " does not go with type=env")
	case kind == "env":
		if out.Env, out.Mode = target, 0; target == "" {
			out.Env = out.Name
		}
		if strings.ContainsAny(out.Env, "=\x00") {
			return invalid("the target is not the name of a variable")
		}
		return out, nil
	case kind != "mount":
		return invalid(fmt.Sprintf("unknown type %q: want mount or env", kind))
	case target == "":
		target = out.Name
	}
	if !path.IsAbs(target) {
		target = path.Join(secretsDir, target)
		if !strings.HasPrefix(target, secretsDir+"/") {
			return invalid("the target leads out of " + secretsDir)
		}
	}
	if out.Target = path.Clean(target); out.Target == "/" {
		return invalid("the target must not be /")
	}
	return out, nil
}

func id(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// ChrootDirs reads absolute paths with commas between. Podman: --chrootdirs.
func ChrootDirs(s string) ([]string, error) {
	var out []string
	for _, dir := range strings.Split(s, ",") {
		d, err := target(dir)
		if err != nil {
			return nil, fmt.Errorf("invalid value %q for --chrootdirs: %w", s, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// From is another container whose volumes are used too. Docker: --volumes-from.
type From = state.VolumesFrom

// VolumesFrom reads CONTAINER[:ro|rw|z|Z].
func VolumesFrom(s string) (From, error) {
	name, opts, has := strings.Cut(s, ":")
	out := From{Container: name}
	if name == "" {
		return out, fmt.Errorf("invalid value %q for --volumes-from: want CONTAINER[:ro|rw]", s)
	}
	if !has {
		return out, nil
	}
	for _, o := range strings.Split(opts, ",") {
		switch o {
		case "ro":
			out.ReadOnly = true
		case "rw", "z", "Z":
		default:
			return out, fmt.Errorf("invalid value %q for --volumes-from: unknown option %q", s, o)
		}
	}
	return out, nil
}

// ExtraSecurity takes the --security-opt values that SecurityOpt leaves:
// proc-opts and writable-cgroups.
func ExtraSecurity(x *state.Extras, s string) error {
	key, val, has := strings.Cut(s, "=")
	switch key {
	case "proc-opts":
		for _, o := range strings.FieldsFunc(val, func(r rune) bool { return r == ',' || r == ':' }) {
			name, v, _ := strings.Cut(o, "=")
			if name != "hidepid" && name != "subset" && name != "gid" || v == "" {
				return fmt.Errorf("invalid security option %q: want hidepid=, subset= or gid=", s)
			}
			x.ProcOptions = append(x.ProcOptions, o)
		}
		if len(x.ProcOptions) == 0 {
			return fmt.Errorf("invalid security option %q: want proc-opts=OPTION", s)
		}
	case "writable-cgroups":
		on := true
		if has {
			var err error
			if on, err = strconv.ParseBool(val); err != nil {
				return fmt.Errorf("invalid security option %q: want true or false", s)
			}
		}
		x.WritableCgroups = on
	}
	return nil
}
