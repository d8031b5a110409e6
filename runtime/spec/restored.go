package spec

import (
	"math"
	"slices"

	"skiff/runtime/hostfacts"
	"skiff/state"
)

// Cpusets are the CPUs and memory nodes that a container runs on.
type Cpusets struct{ Cpus, Mems string }

// Restored is old with "no limit" said in so many words where only next has a
// limit: a runtime sets limits and takes none away, so this is what undoes next.
// now is what the cpuset had before next.
func Restored(old, next state.Resources, cg hostfacts.Cgroup, now Cpusets) state.Resources {
	r := old
	unset(&r.Memory, next.Memory, -1)
	unset(&r.MemorySwap, next.MemorySwap, -1)
	soft := int64(-1)
	if cg.V2() {
		soft = 1 // memory.low: no page is protected
	}
	unset(&r.MemoryReservation, next.MemoryReservation, soft)
	unset(&r.CPUShares, next.CPUShares, 1024)
	if r.NanoCPUs == 0 && (next.NanoCPUs != 0 || next.CPUQuota != 0 || next.CPUPeriod != 0) {
		unset(&r.CPUQuota, 1, -1)
		unset(&r.CPUPeriod, 1, cpuPeriod)
	}
	unset(&r.CpusetCpus, next.CpusetCpus, now.Cpus)
	unset(&r.CpusetMems, next.CpusetMems, now.Mems)
	unset(&r.BlkioWeight, next.BlkioWeight, 100)
	if r.MemorySwappiness == nil && next.MemorySwappiness != nil {
		usual := int64(60)
		r.MemorySwappiness = &usual
	}
	for _, w := range next.BlkioWeightDevice {
		if !slices.ContainsFunc(r.BlkioWeightDevice, func(o state.WeightDevice) bool { return o.Path == w.Path }) {
			r.BlkioWeightDevice = append(slices.Clip(r.BlkioWeightDevice), state.WeightDevice{Path: w.Path, Weight: 100})
		}
	}
	for _, t := range [][2]*[]state.ThrottleDevice{
		{&r.DeviceReadBps, &next.DeviceReadBps}, {&r.DeviceWriteBps, &next.DeviceWriteBps},
		{&r.DeviceReadIOps, &next.DeviceReadIOps}, {&r.DeviceWriteIOps, &next.DeviceWriteIOps},
	} {
		for _, n := range *t[1] {
			if !slices.ContainsFunc(*t[0], func(o state.ThrottleDevice) bool { return o.Path == n.Path }) {
				*t[0] = append(slices.Clip(*t[0]), state.ThrottleDevice{Path: n.Path, Rate: math.MaxUint64})
			}
		}
	}
	return r
}

// unset puts none where only next has something.
func unset[T comparable](old *T, next, none T) {
	var zero T
	if *old == zero && next != zero {
		*old = none
	}
}
