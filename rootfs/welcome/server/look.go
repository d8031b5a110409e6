package main

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// view is what the page shows.
type view struct {
	Hostname string
	Pid      int
	Init     string // command line of process 1
	Client   string
	System   string
	Memory   string
	CPU      string
	Pids     string
	Caps     string
	Seccomp  string
	Mounts   []mount
}

type mount struct{ Target, Type, Options string }

// look gathers what this process can see of its container.
func look(r *http.Request) view {
	host, err := os.Hostname()
	if err != nil {
		host = err.Error()
	}
	init, _ := os.ReadFile("/proc/1/cmdline")
	status := fields("/proc/self/status")
	v := view{
		Hostname: host,
		Pid:      os.Getpid(),
		Init:     strings.TrimSpace(strings.ReplaceAll(string(init), "\x00", " ")),
		Client:   r.RemoteAddr,
		System:   runtime.GOOS + "/" + runtime.GOARCH,
		Caps:     status["CapBnd"],
		Seccomp:  map[string]string{"0": "off", "1": "strict", "2": "filter"}[status["Seccomp"]],
		Mounts:   mounts(),
	}
	v.Memory, v.CPU, v.Pids = limits()
	return v
}

// fields reads a file of "Name: value" lines.
func fields(file string) map[string]string {
	data, _ := os.ReadFile(file)
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			m[name] = strings.TrimSpace(value)
		}
	}
	return m
}

// limits reads the container's own cgroup, on cgroup v2 or v1.
func limits() (memory, cpu, pids string) {
	const v2 = "/sys/fs/cgroup/"
	if max := first(v2 + "memory.max"); max != "" {
		return bytes(max), quotaV2(first(v2 + "cpu.max")), none(first(v2 + "pids.max"))
	}
	memory = bytes(first(v1("memory") + "memory.limit_in_bytes"))
	cpu = quota(first(v1("cpu")+"cpu.cfs_quota_us"), first(v1("cpu")+"cpu.cfs_period_us"))
	return memory, cpu, none(first(v1("pids") + "pids.max"))
}

// v1 is the directory of a v1 controller: the mount itself where the container
// has its own view of cgroups, else below it.
func v1(controller string) string {
	for _, name := range []string{controller, "cpu,cpuacct"} {
		dir := "/sys/fs/cgroup/" + name + "/"
		if _, err := os.Stat(dir + "cgroup.procs"); err != nil {
			continue
		}
		data, _ := os.ReadFile("/proc/self/cgroup")
		for line := range strings.Lines(string(data)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(parts) == 3 && strings.Contains(","+parts[1]+",", ","+controller+",") {
				if own := path.Join(dir, parts[2]); first(own+"/cgroup.clone_children") != "" {
					return own + "/"
				}
			}
		}
		return dir
	}
	return "/sys/fs/cgroup/" + controller + "/"
}

func first(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func none(s string) string {
	if s == "" || s == "max" || s == "-1" {
		return "no limit"
	}
	return s
}

// bytes writes a limit in MiB; v1 says no limit by a number near 2^63.
func bytes(s string) string {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > 1<<60 {
		return "no limit"
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

func quotaV2(s string) string {
	q, p, _ := strings.Cut(s, " ")
	return quota(q, p)
}

// quota writes microseconds per period as a number of CPUs.
func quota(quota, period string) string {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return "no limit"
	}
	return strconv.FormatFloat(q/p, 'f', -1, 64) + " CPUs"
}

func mounts() []mount {
	data, _ := os.ReadFile("/proc/self/mounts")
	var all []mount
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		options := f[3]
		if len(options) > 60 {
			options = options[:60] + "…"
		}
		all = append(all, mount{Target: f[1], Type: f[2], Options: options})
	}
	return all
}
