package libpod

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/libpod/inspect"
	"skiff/runtime/rootless"
	"skiff/state"
)

// meminfo are the values of /proc/meminfo in bytes.
func meminfo() map[string]int64 {
	out := map[string]int64{}
	data, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(data)) {
		key, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			out[key] = n * 1024
		}
	}
	return out
}

// cpuUsage is how the processors spent their time since boot, in percent.
// proc(5), /proc/stat.
func cpuUsage() *inspect.CPUUsage {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return nil
	}
	var total float64
	values := make([]float64, len(fields))
	for i, f := range fields[1:] {
		values[i], _ = strconv.ParseFloat(f, 64)
		if i < 8 { // guest time is in user time already
			total += values[i]
		}
	}
	if total == 0 {
		return nil
	}
	percent := func(v float64) float64 { return math.Round(v/total*10000) / 100 }
	return &inspect.CPUUsage{
		UserPercent: percent(values[0] + values[1]), SystemPercent: percent(values[2]), IdlePercent: percent(values[3]),
	}
}

// distribution reads os-release(5).
func distribution() inspect.Distribution {
	values := map[string]string{}
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok {
				values[key] = strings.Trim(value, `"'`)
			}
		}
		break
	}
	d := inspect.Distribution{
		Distribution: values["ID"], Variant: values["VARIANT_ID"],
		Version: values["VERSION_ID"], Codename: values["VERSION_CODENAME"], Pretty: values["PRETTY_NAME"],
	}
	if d.Distribution == "" {
		d.Distribution, d.Version = "unknown", "unknown"
	}
	return d
}

// idMappings are those of the user namespace that containers are in; none in the
// machine's own.
func (e *Engine) idMappings() inspect.IDMappings {
	uids, gids := readIDMap("/proc/self/uid_map"), readIDMap("/proc/self/gid_map")
	if e.Rootless() {
		m, err := rootless.MappingOf(os.Getuid(), os.Getgid())
		if err != nil {
			return inspect.IDMappings{}
		}
		uids, gids = stateRanges(m.UIDs), stateRanges(m.GIDs)
	}
	list := func(in []state.IDRange) (out []inspect.IDMap) {
		if len(in) == 1 && in[0].Size == math.MaxUint32 {
			return nil
		}
		for _, r := range in {
			out = append(out, inspect.IDMap{ContainerID: int64(r.Inside), HostID: int64(r.Outside), Size: int64(r.Size)})
		}
		return out
	}
	return inspect.IDMappings{GIDMap: list(gids), UIDMap: list(uids)}
}

func uptime() string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return ""
	}
	d := time.Duration(ts.Nano())
	text := fmt.Sprintf("%dh %dm %.2fs", int(d.Hours()), int(d.Minutes())%60, d.Seconds()-float64(int(d.Minutes())*60))
	if days := int(d.Hours()) / 24; days > 0 {
		text += fmt.Sprintf(" (Approximately %.2f days)", d.Hours()/24)
	}
	return text
}

// tool describes a program that skiff uses where it is installed.
func tool(name string) inspect.Tool {
	path, err := exec.LookPath(name)
	if err != nil {
		return inspect.Tool{}
	}
	return inspect.Tool{Executable: path, Package: "unknown"}
}

// moduleVersion is the version of a library that this program was built with.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}

// cgroups says which version of cgroups this machine limits containers with,
// and the controllers that there are. A hybrid machine, whose controllers are
// all of version 1, counts as version 1.
func cgroups() (version string, controllers []string) {
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		data, _ := os.ReadFile(root + "/cgroup.controllers")
		return "v2", strings.Fields(string(data))
	}
	data, _ := os.ReadFile("/proc/cgroups")
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 4 && !strings.HasPrefix(line, "#") && fields[3] == "1" && fields[1] != "0" {
			controllers = append(controllers, fields[0])
		}
	}
	return "v1", controllers
}
