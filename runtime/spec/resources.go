package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

// DefaultPidsLimit is how many tasks a container may have that asks for nothing.
const DefaultPidsLimit = 2048

// cpuPeriod is the kernel's default period in microseconds.
const cpuPeriod = 100_000

// ErrNoLimits means that limits were asked for where skiff has no cgroups to
// set them in.
var ErrNoLimits = errors.New("this user has no such control group of its own (cgroup v2 with systemd gives it some)")

// resources sets the limits and the place of the cgroup.
func (b *builder) resources() error {
	host := b.in.Host
	if b.in.Rootless {
		host.Cgroup = host.Cgroup.By(b.cfg.CgroupManager)
		if b.cfg.CgroupParent == "" {
			if err := CheckRootless(b.cfg.Resources, host.Cgroup); err != nil {
				return err
			}
		}
	}
	r, err := Limits(b.cfg.Resources, host, b.in.BlockDevices, b.in.Warn)
	if err != nil {
		return err
	}
	r.Devices = b.out.Linux.Resources.Devices
	b.out.Linux.Resources = r
	b.out.Linux.CgroupsPath = CgroupsPath(b.cfg, b.in)
	return nil
}

// CheckRootless refuses limits for which an ordinary user has no control groups.
func CheckRootless(r state.Resources, c hostfacts.Cgroup) error {
	if v := vain(r, c); len(v) > 0 {
		return fmt.Errorf("cannot set the limit %s: %w", v[0].option, ErrNoLimits)
	}
	return nil
}

// FirstLimit is the option of a limit in r that takes a control group, empty if
// there is none.
func FirstLimit(r state.Resources) string {
	for _, w := range wishes(r) {
		if w.asked {
			return w.option
		}
	}
	return ""
}

// CgroupsPath is where the container's cgroup is. For systemd it has the form
// slice:prefix:name. Without a place of its own it is empty: the runtime makes
// groups where the caller was given any, and does without elsewhere.
func CgroupsPath(cfg *state.Config, in Inputs) string {
	if in.CgroupPath != "" {
		return in.CgroupPath
	}
	prefix, parent, id := in.CgroupPrefix, cfg.CgroupParent, cfg.ID
	if prefix == "" {
		prefix = "skiff"
	}
	if cfg.CgroupManager == "systemd" {
		if parent == "" {
			parent = "system.slice"
			if in.Rootless {
				parent = "user.slice"
			}
		}
		return path.Base(parent) + ":" + prefix + ":" + id
	}
	if parent == "" && (in.Rootless || in.Host.Cgroup.Mode == "") {
		return ""
	}
	if parent == "" {
		parent = prefix
	}
	return path.Join("/", parent, id)
}

// wish is a limit that was asked for.
type wish struct {
	asked  bool
	option string // as on the command line
	// controllers are those of which one is needed.
	controllers []string
	// must says that the container cannot run without it, as with Docker.
	must bool
}

// wishes lists all limits that depend on the machine's control groups. What is
// only derived from another one is not among them.
func wishes(r state.Resources) []wish {
	memory, cpu, cpuset := []string{"memory"}, []string{"cpu"}, []string{"cpuset"}
	block := []string{"blkio", "io"}
	return []wish{
		{r.Memory != 0, "--memory", memory, false},
		{r.MemorySwap != 0 && r.Memory == 0, "--memory-swap", memory, false},
		{r.MemoryReservation != 0, "--memory-reservation", memory, false},
		{r.MemorySwappiness != nil, "--memory-swappiness", memory, false},
		{r.OOMKillDisable, "--oom-kill-disable", memory, false},
		{r.CPUShares != 0, "--cpu-shares", cpu, false},
		{r.NanoCPUs != 0, "--cpus", cpu, true},
		{r.CPUPeriod != 0, "--cpu-period", cpu, false},
		{r.CPUQuota != 0, "--cpu-quota", cpu, false},
		{r.CPURealtimePeriod != 0, "--cpu-rt-period", cpu, true},
		{r.CPURealtimeRuntime != 0, "--cpu-rt-runtime", cpu, true},
		{r.CpusetCpus != "", "--cpuset-cpus", cpuset, false},
		{r.CpusetMems != "", "--cpuset-mems", cpuset, false},
		{r.PidsLimit > 0 && r.PidsLimit != DefaultPidsLimit, "--pids-limit", []string{"pids"}, false},
		{r.BlkioWeight != 0, "--blkio-weight", block, false},
		{len(r.BlkioWeightDevice) > 0, "--blkio-weight-device", block, false},
		{len(r.DeviceReadBps) > 0, "--device-read-bps", block, false},
		{len(r.DeviceWriteBps) > 0, "--device-write-bps", block, false},
		{len(r.DeviceReadIOps) > 0, "--device-read-iops", block, false},
		{len(r.DeviceWriteIOps) > 0, "--device-write-iops", block, false},
	}
}

// vain are the wishes for which there are no control groups.
func vain(r state.Resources, c hostfacts.Cgroup) []wish {
	return slices.DeleteFunc(wishes(r), func(w wish) bool {
		return !w.asked || slices.ContainsFunc(w.controllers, c.Has)
	})
}

// discard tells of each limit that the machine cannot set. Like Docker it fails
// for those without which the container would be another one.
func discard(list []wish, warn func(string)) error {
	for _, w := range list {
		lacks := "this machine has no " + w.controllers[0] + " control group"
		if w.must {
			return fmt.Errorf("cannot set the limit %s: %s", w.option, lacks)
		}
		warn("cannot set the limit " + w.option + ": " + lacks + "; the container runs without it")
	}
	return nil
}

// Limits turns limits into the runtime's form, leaving out what the machine's
// cgroups cannot do and telling warn about it. blocks are the block devices
// that r names, by path. Device rules are not part of it.
func Limits(r state.Resources, host hostfacts.Facts, blocks map[string]hostfacts.Device, warn func(string)) (*specs.LinuxResources, error) {
	if warn == nil {
		warn = func(string) {}
	}
	if err := discard(vain(r, host.Cgroup), warn); err != nil {
		return nil, err
	}
	out := &specs.LinuxResources{
		Memory: memoryLimits(r, host, warn),
		CPU:    cpuLimits(r, host),
	}
	pids := r.PidsLimit
	if pids == 0 {
		pids = DefaultPidsLimit
	}
	if host.Cgroup.Has("pids") {
		out.Pids = &specs.LinuxPids{Limit: &pids}
	}
	var err error
	out.BlockIO, err = blockLimits(r, host, blocks, warn)
	return out, err
}

func memoryLimits(r state.Resources, host hostfacts.Facts, warn func(string)) *specs.LinuxMemory {
	m := &specs.LinuxMemory{}
	if r.Memory == 0 && r.MemorySwap == 0 && r.MemoryReservation == 0 && r.MemorySwappiness == nil && !r.OOMKillDisable ||
		!host.Cgroup.Has("memory") {
		return nil
	}
	if r.Memory != 0 {
		m.Limit = &r.Memory
	}
	if r.MemoryReservation != 0 {
		m.Reservation = &r.MemoryReservation
	}
	if r.MemorySwap != 0 {
		if host.Cgroup.Swap {
			m.Swap = &r.MemorySwap
		} else if r.MemorySwap > 0 {
			warn("this machine cannot limit swap; only memory is limited")
		}
	}
	v1only := "this machine has cgroup v2, which has no %s"
	if r.MemorySwappiness != nil {
		if host.Cgroup.V2() {
			warn(fmt.Sprintf(v1only, "swappiness"))
		} else {
			v := uint64(*r.MemorySwappiness)
			m.Swappiness = &v
		}
	}
	if r.OOMKillDisable {
		if host.Cgroup.V2() {
			warn(fmt.Sprintf(v1only, "way to turn the OOM killer off"))
		} else {
			m.DisableOOMKiller = &r.OOMKillDisable
		}
	}
	return m
}

func cpuLimits(r state.Resources, host hostfacts.Facts) *specs.LinuxCPU {
	c := &specs.LinuxCPU{}
	if host.Cgroup.Has("cpu") {
		bandwidthLimits(c, r)
	}
	if host.Cgroup.Has("cpuset") {
		c.Cpus, c.Mems = r.CpusetCpus, r.CpusetMems
	}
	if *c == (specs.LinuxCPU{}) {
		return nil
	}
	return c
}

func bandwidthLimits(c *specs.LinuxCPU, r state.Resources) {
	if r.CPUShares != 0 {
		c.Shares = &r.CPUShares
	}
	quota, period := r.CPUQuota, r.CPUPeriod
	if r.NanoCPUs != 0 {
		period = cpuPeriod
		quota = r.NanoCPUs * cpuPeriod / 1e9
	}
	if quota != 0 {
		c.Quota = &quota
	}
	if period != 0 {
		c.Period = &period
	}
	if r.CPURealtimePeriod != 0 {
		c.RealtimePeriod = &r.CPURealtimePeriod
	}
	if r.CPURealtimeRuntime != 0 {
		c.RealtimeRuntime = &r.CPURealtimeRuntime
	}
}

func blockLimits(r state.Resources, host hostfacts.Facts, blocks map[string]hostfacts.Device, warn func(string)) (*specs.LinuxBlockIO, error) {
	throttles := [][]state.ThrottleDevice{r.DeviceReadBps, r.DeviceWriteBps, r.DeviceReadIOps, r.DeviceWriteIOps}
	weights := r.BlkioWeight != 0 || len(r.BlkioWeightDevice) > 0
	if !weights && len(throttles[0])+len(throttles[1])+len(throttles[2])+len(throttles[3]) == 0 {
		return nil, nil
	}
	if !host.Cgroup.Has("blkio") && !host.Cgroup.Has("io") {
		return nil, nil
	}
	out := &specs.LinuxBlockIO{}
	if weights && !host.Cgroup.BlkioWeight {
		warn("this machine has no weights for block I/O; the container runs without them")
	} else if weights {
		if err := blockWeights(out, r, host, blocks, warn); err != nil {
			return nil, err
		}
	}
	for i, to := range []*[]specs.LinuxThrottleDevice{
		&out.ThrottleReadBpsDevice, &out.ThrottleWriteBpsDevice,
		&out.ThrottleReadIOPSDevice, &out.ThrottleWriteIOPSDevice,
	} {
		for _, t := range throttles[i] {
			d, err := block(blocks, t.Path)
			if err != nil {
				return nil, err
			}
			var td specs.LinuxThrottleDevice
			td.Major, td.Minor, td.Rate = d.Major, d.Minor, t.Rate
			*to = append(*to, td)
		}
	}
	return out, nil
}

func blockWeights(out *specs.LinuxBlockIO, r state.Resources, host hostfacts.Facts, blocks map[string]hostfacts.Device, warn func(string)) error {
	if r.BlkioWeight != 0 {
		out.Weight = &r.BlkioWeight
	}
	for _, w := range r.BlkioWeightDevice {
		d, err := block(blocks, w.Path)
		if err != nil {
			return err
		}
		if !d.Weighted && host.Cgroup.Mode != hostfacts.CgroupV2 {
			warn(fmt.Sprintf("%s has no weights for block I/O: its scheduler is not bfq", w.Path))
			continue
		}
		var wd specs.LinuxWeightDevice
		wd.Major, wd.Minor, wd.Weight = d.Major, d.Minor, &w.Weight
		out.WeightDevice = append(out.WeightDevice, wd)
	}
	return nil
}

func block(blocks map[string]hostfacts.Device, name string) (hostfacts.Device, error) {
	d, ok := blocks[name]
	if !ok || d.Type != "b" {
		return d, fmt.Errorf("cannot limit the block I/O of %s: not a block device", name)
	}
	return d, nil
}

// BlockPaths are the paths of the block devices that r names.
func BlockPaths(r state.Resources) []string {
	var out []string
	for _, w := range r.BlkioWeightDevice {
		out = append(out, w.Path)
	}
	for _, list := range [][]state.ThrottleDevice{r.DeviceReadBps, r.DeviceWriteBps, r.DeviceReadIOps, r.DeviceWriteIOps} {
		for _, t := range list {
			out = append(out, t.Path)
		}
	}
	return out
}

// ParentProblem says what is wrong with a cgroup parent for that manager, or
// nothing. Docker: --cgroup-parent.
func ParentProblem(parent, manager string) string {
	switch {
	case parent == "":
	case manager == "systemd" && !strings.HasSuffix(parent, ".slice"):
		return "with the systemd cgroup manager it must be a slice, such as my.slice"
	case manager != "systemd" && strings.Contains(parent, ".."):
		return "it must not contain \"..\""
	}
	return ""
}
