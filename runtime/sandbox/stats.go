package sandbox

import (
	"fmt"
	"strings"

	"github.com/opencontainers/cgroups"
)

// Stats are what the kernel has counted for a container so far.
type Stats struct {
	// CPU is the processor time used, in nanoseconds; CPUUser and CPUKernel are
	// its parts. CPUPerProcessor is empty on cgroup v2.
	CPU, CPUUser, CPUKernel uint64
	CPUPerProcessor         []uint64
	// Throttled is for how long, in nanoseconds, in ThrottledPeriods of Periods
	// the processor limit held the container back.
	Periods, ThrottledPeriods, Throttled uint64

	// Memory is the memory in use in bytes, without the part of the page cache
	// that can be dropped at once, as docker stats has it. MemoryCache is the page
	// cache, MemoryMax the most that Memory plus cache has been, 0 if unknown.
	// MemoryLimit is 0 where there is none.
	Memory, MemoryCache, MemoryMax, MemoryLimit uint64
	// Pids is the number of tasks, PidsLimit 0 for no limit.
	Pids, PidsLimit uint64
	// BlockRead and BlockWrite are bytes from and to block devices.
	BlockRead, BlockWrite uint64
}

// Stats reads the counters.
func (s *Sandbox) Stats() (Stats, error) {
	all, err := s.counters()
	if err != nil {
		return Stats{}, fmt.Errorf("cannot read the container's counters: %w", err)
	}
	return convertStats(all), nil
}

// counters are the cgroups' own.
func (s *Sandbox) counters() (*cgroups.Stats, error) {
	if s.foreign != nil {
		m, err := s.foreign.manager()
		if err != nil {
			return nil, err
		}
		return m.GetStats()
	}
	st, err := s.container.Stats()
	if err != nil {
		return nil, err
	}
	return st.CgroupStats, nil
}

func convertStats(c *cgroups.Stats) Stats {
	use, throttle, mem := c.CpuStats.CpuUsage, c.CpuStats.ThrottlingData, c.MemoryStats
	out := Stats{
		CPU:              use.TotalUsage,
		CPUUser:          use.UsageInUsermode,
		CPUKernel:        use.UsageInKernelmode,
		CPUPerProcessor:  use.PercpuUsage,
		Periods:          throttle.Periods,
		ThrottledPeriods: throttle.ThrottledPeriods,
		Throttled:        throttle.ThrottledTime,
		Memory:           mem.Usage.Usage,
		MemoryCache:      mem.Cache,
		MemoryMax:        mem.Usage.MaxUsage,
		MemoryLimit:      limit(mem.Usage.Limit),
		Pids:             c.PidsStats.Current,
		PidsLimit:        limit(c.PidsStats.Limit),
	}
	inactive, ok := mem.Stats["total_inactive_file"] // v1
	if !ok {
		inactive = mem.Stats["inactive_file"]
	}
	out.Memory -= min(inactive, out.Memory)
	for _, e := range c.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			out.BlockRead += e.Value
		case "write":
			out.BlockWrite += e.Value
		}
	}
	return out
}

// limit: the kernel has several ways to write that there is none, all of them
// larger than any machine.
func limit(v uint64) uint64 {
	if v >= 1<<60 {
		return 0
	}
	return v
}
