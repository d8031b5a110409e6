package parse

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

// Ulimit reads name=SOFT[:HARD]; -1 and unlimited mean no limit. Docker: --ulimit.
func Ulimit(s string) (u state.Ulimit, err error) {
	name, val, ok := strings.Cut(s, "=")
	name = strings.TrimPrefix(strings.ToLower(name), "rlimit_")
	if !ok || !slices.Contains(hostfacts.RlimitNames(), name) {
		return u, fmt.Errorf("invalid ulimit %q: want NAME=SOFT[:HARD] with a name such as nofile or nproc", s)
	}
	u.Name = name
	soft, hard, two := strings.Cut(val, ":")
	if u.Soft, err = limit(soft); err != nil {
		return u, fmt.Errorf("invalid ulimit %q: %w", s, err)
	}
	if u.Hard = u.Soft; two {
		if u.Hard, err = limit(hard); err != nil {
			return u, fmt.Errorf("invalid ulimit %q: %w", s, err)
		}
	}
	if u.Hard != -1 && (u.Soft == -1 || u.Soft > u.Hard) {
		soft := strconv.FormatInt(u.Soft, 10)
		if u.Soft == -1 {
			soft += " (unlimited)"
		}
		return u, fmt.Errorf("ulimit option %q requires name=SOFT:HARD, failed to be parsed: ulimit soft limit must be less than or equal to hard limit: soft: %s, hard: %d", s, soft, u.Hard)
	}
	return u, nil
}

func limit(s string) (int64, error) {
	if s == "unlimited" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1 {
		return 0, fmt.Errorf("%q is not a limit: want a number, or -1 for none", s)
	}
	return n, nil
}

// Device reads HOST[:CONTAINER][:PERMISSIONS], or the name of a device that its
// vendor describes, VENDOR/CLASS=NAME. Docker: --device.
func Device(s string) (d state.Device, err error) {
	if isVendorDevice(s) {
		return state.Device{Vendor: s}, nil
	}
	bad := func(why string) (state.Device, error) {
		return d, fmt.Errorf("invalid device %q: %s", s, why)
	}
	parts := strings.Split(s, ":")
	d.Host, d.Permissions = parts[0], "rwm"
	d.Container = d.Host
	switch len(parts) {
	case 1:
	case 2:
		if validPerms(parts[1]) {
			d.Permissions = parts[1]
		} else {
			d.Container = parts[1]
		}
	case 3:
		d.Container, d.Permissions = parts[1], parts[2]
	default:
		return bad("want HOST[:CONTAINER][:PERMISSIONS]")
	}
	if !validPerms(d.Permissions) {
		return bad(fmt.Sprintf("the permissions %q are not made of r, w and m", d.Permissions))
	}
	if !path.IsAbs(d.Host) || !path.IsAbs(d.Container) {
		return bad("the paths must be absolute, or the name be one of a vendor's, as vendor.com/class=name")
	}
	d.Host, d.Container = path.Clean(d.Host), path.Clean(d.Container)
	return d, nil
}

func validPerms(s string) bool {
	seen := 0
	for _, c := range s {
		bit := strings.IndexRune("rwm", c)
		if bit < 0 || seen&(1<<bit) != 0 {
			return false
		}
		seen |= 1 << bit
	}
	return s != ""
}

// ThrottleBps reads PATH:SIZE in bytes a second. Docker: --device-read-bps.
func ThrottleBps(s string) (state.ThrottleDevice, error) { return throttle(s, Size) }

// ThrottleIOps reads PATH:NUMBER in operations a second. Docker: --device-read-iops.
func ThrottleIOps(s string) (state.ThrottleDevice, error) {
	return throttle(s, func(v string) (int64, error) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", v)
		}
		return n, nil
	})
}

func throttle(s string, rate func(string) (int64, error)) (t state.ThrottleDevice, err error) {
	dev, val, ok := strings.Cut(s, ":")
	if !ok || !path.IsAbs(dev) {
		return t, fmt.Errorf("invalid device limit %q: want DEVICE-PATH:LIMIT such as /dev/sda:1mb", s)
	}
	n, err := rate(val)
	if err != nil {
		return t, fmt.Errorf("invalid device limit %q: %w", s, err)
	}
	if n < 0 {
		return t, fmt.Errorf("invalid device limit %q: the limit must not be negative", s)
	}
	return state.ThrottleDevice{Path: path.Clean(dev), Rate: uint64(n)}, nil
}

// WeightDevice reads PATH:WEIGHT. Docker: --blkio-weight-device.
func WeightDevice(s string) (w state.WeightDevice, err error) {
	dev, val, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(val, 10, 16)
	if !ok || !path.IsAbs(dev) || err != nil || n < 10 || n > 1000 {
		return w, fmt.Errorf("invalid device weight %q: want DEVICE-PATH:WEIGHT with a weight from 10 to 1000", s)
	}
	return state.WeightDevice{Path: path.Clean(dev), Weight: uint16(n)}, nil
}

// CPUSet reads a list of numbers and ranges such as 0-2,7 and gives the highest
// number. Docker: --cpuset-cpus, --cpuset-mems.
func CPUSet(what, s string) (highest int, err error) {
	bad := fmt.Errorf("invalid value %q for %s: want numbers and ranges such as 0-2,7", s, what)
	for _, part := range strings.Split(s, ",") {
		a, b, ranged := strings.Cut(part, "-")
		lo, err1 := strconv.ParseUint(a, 10, 13)
		hi := lo
		var err2 error
		if ranged {
			hi, err2 = strconv.ParseUint(b, 10, 13)
		}
		if err1 != nil || err2 != nil || hi < lo {
			return 0, bad
		}
		highest = max(highest, int(hi))
	}
	return highest, nil
}

// Notify reads who tells the service manager that a container is ready.
// Podman: --sdnotify.
func Notify(s string) (string, error) {
	switch s {
	case state.NotifyContainer, state.NotifyConmon, state.NotifyHealthy, state.NotifyIgnore:
		return s, nil
	}
	return "", fmt.Errorf("invalid value %q for --sdnotify: want conmon, container, healthy or ignore", s)
}

// Restart reads no, always, unless-stopped or on-failure[:N]. Docker: --restart.
func Restart(s string) (p state.RestartPolicy, err error) {
	name, count, has := strings.Cut(s, ":")
	p.Name = name
	switch name {
	case "", state.RestartNo, "never": // never: Podman's
		p.Name = state.RestartNo
	case state.RestartAlways, state.RestartUnlessStopped, state.RestartOnFailure:
	default:
		return p, fmt.Errorf("invalid restart policy %q: want no, always, unless-stopped or on-failure[:COUNT]", s)
	}
	if !has {
		return p, nil
	}
	if name != state.RestartOnFailure {
		return p, fmt.Errorf("invalid restart policy %q: only on-failure takes a count", s)
	}
	n, err := strconv.ParseUint(count, 10, 31)
	if err != nil {
		return p, fmt.Errorf("invalid restart policy %q: %q is not a number of restarts", s, count)
	}
	p.MaxRetries = int(n)
	return p, nil
}

// Platform checks OS/ARCH[/VARIANT] or ARCH alone. Docker: --platform.
func Platform(s string) (string, error) {
	parts := strings.Split(s, "/")
	bad := len(parts) > 3
	for _, p := range parts {
		bad = bad || p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != ""
	}
	if bad {
		return "", fmt.Errorf("invalid platform %q: want OS/ARCHITECTURE[/VARIANT] such as linux/arm64", s)
	}
	return strings.ToLower(s), nil
}

// Pull checks a pull policy; empty stays empty. Docker: --pull; newer and
// the words true and false are Podman's.
func Pull(s string) (string, error) {
	switch p := strings.ToLower(s); p {
	case "", "always", "missing", "never", "newer":
		return p, nil
	case "ifnotpresent", "ifmissing", "false":
		return "missing", nil
	case "ifnewer":
		return "newer", nil
	case "true":
		return "always", nil
	}
	return "", fmt.Errorf("invalid pull policy %q: want always, missing, never or newer", s)
}
