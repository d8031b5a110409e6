package idmap

import (
	"cmp"
	"fmt"
	"slices"

	"skiff/state"
)

// maxRanges is how many lines the kernel takes in a map.
const maxRanges = 340

// end is the first id after a range of count ids.
func end(first, count uint32) uint64 { return uint64(first) + uint64(count) }

func overlap(a, an, b, bn uint32) bool { return uint64(a) < end(b, bn) && uint64(b) < end(a, an) }

// check sorts a map, joins what belongs together, and says what the kernel would
// refuse: ids that are there twice, and those that are not the caller's.
func check(kind string, m, own []state.IDRange) ([]state.IDRange, error) {
	if len(m) == 0 {
		return nil, fmt.Errorf("no %s is mapped", kind)
	}
	for i, a := range m {
		if a.Size == 0 || end(a.Inside, a.Size) > 1<<32-1 || end(a.Outside, a.Size) > 1<<32-1 {
			return nil, fmt.Errorf("%d:%d:%d is not a range of ids", a.Inside, a.Outside, a.Size)
		}
		for _, b := range m[:i] {
			if overlap(a.Inside, a.Size, b.Inside, b.Size) {
				return nil, fmt.Errorf("the ranges %d:%d:%d and %d:%d:%d have a %s of the container's in common",
					b.Inside, b.Outside, b.Size, a.Inside, a.Outside, a.Size, kind)
			}
			if overlap(a.Outside, a.Size, b.Outside, b.Size) {
				return nil, fmt.Errorf("the ranges %d:%d:%d and %d:%d:%d map the same %s",
					b.Inside, b.Outside, b.Size, a.Inside, a.Outside, a.Size, kind)
			}
		}
		if left := without([]state.IDRange{{Outside: a.Outside, Size: a.Size}}, insides(own)); len(left) > 0 {
			return nil, fmt.Errorf("%s %d is not among those that may be mapped", kind, left[0].Outside)
		}
	}
	out := join(m)
	if len(out) > maxRanges {
		return nil, fmt.Errorf("it has %d ranges, the kernel takes %d", len(out), maxRanges)
	}
	return out, nil
}

// join sorts a map by the container's ids and joins ranges that follow on each
// other.
func join(m []state.IDRange) []state.IDRange {
	m = slices.Clone(m)
	slices.SortFunc(m, func(a, b state.IDRange) int { return cmp.Compare(a.Inside, b.Inside) })
	out := m[:0]
	for _, r := range m {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if end(last.Inside, last.Size) == uint64(r.Inside) && end(last.Outside, last.Size) == uint64(r.Outside) {
				last.Size += r.Size
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// insides are the ids that exist in a namespace, as a set of Outside ranges.
func insides(m []state.IDRange) []state.IDRange {
	out := make([]state.IDRange, 0, len(m))
	for _, r := range m {
		out = append(out, state.IDRange{Outside: r.Inside, Size: r.Size})
	}
	return out
}

// without takes the Outside ids of taken away from those of set, and sorts.
func without(set, taken []state.IDRange) []state.IDRange {
	for _, t := range taken {
		var left []state.IDRange
		for _, s := range set {
			if !overlap(s.Outside, s.Size, t.Outside, t.Size) {
				left = append(left, s)
				continue
			}
			if t.Outside > s.Outside {
				left = append(left, state.IDRange{Outside: s.Outside, Size: t.Outside - s.Outside})
			}
			if e, te := end(s.Outside, s.Size), end(t.Outside, t.Size); te < e {
				left = append(left, state.IDRange{Outside: uint32(te), Size: uint32(e - te)})
			}
		}
		set = left
	}
	set = slices.Clone(set)
	slices.SortFunc(set, func(a, b state.IDRange) int { return cmp.Compare(a.Outside, b.Outside) })
	return set
}

// insert puts r into a map in place of what maps the same ids on either side.
// Podman: the flag + of --uidmap.
func insert(m []state.IDRange, r state.IDRange) []state.IDRange {
	m = cut(m, r.Inside, r.Size, func(x state.IDRange) uint32 { return x.Inside })
	m = cut(m, r.Outside, r.Size, func(x state.IDRange) uint32 { return x.Outside })
	return append(m, r)
}

// cut takes n ids from first on out of a map, on the side that start tells.
func cut(m []state.IDRange, first, n uint32, start func(state.IDRange) uint32) []state.IDRange {
	var out []state.IDRange
	for _, r := range m {
		at := start(r)
		if !overlap(at, r.Size, first, n) {
			out = append(out, r)
			continue
		}
		if first > at {
			out = append(out, state.IDRange{Inside: r.Inside, Outside: r.Outside, Size: first - at})
		}
		if e, ne := end(at, r.Size), end(first, n); ne < e {
			skip := uint32(ne - uint64(at))
			out = append(out, state.IDRange{Inside: r.Inside + skip, Outside: r.Outside + skip, Size: r.Size - skip})
		}
	}
	return out
}

// fill maps what is left of the caller's ids to the container's that are free,
// from 0 on.
func fill(m, own []state.IDRange) []state.IDRange {
	free := without(insides(own), m)
	next := uint64(0)
	for _, r := range append(join(m), state.IDRange{Inside: 1<<32 - 1}) {
		for next < uint64(r.Inside) && len(free) > 0 {
			n := uint32(min(uint64(r.Inside)-next, uint64(free[0].Size)))
			m = append(m, state.IDRange{Inside: uint32(next), Outside: free[0].Outside, Size: n})
			next += uint64(n)
			free[0].Outside += n
			if free[0].Size -= n; free[0].Size == 0 {
				free = free[1:]
			}
		}
		next = end(r.Inside, r.Size)
	}
	return m
}

// toInside gives n ids from a host's first on as the namespace whose map is own
// has them; the result's Inside are those from base on.
func toInside(own []state.IDRange, first, n, base uint32) ([]state.IDRange, error) {
	var out []state.IDRange
	for n > 0 {
		i := slices.IndexFunc(own, func(r state.IDRange) bool { return first >= r.Outside && first-r.Outside < r.Size })
		if i < 0 {
			return nil, fmt.Errorf("the host's id %d is not among those that may be mapped", first)
		}
		skip := first - own[i].Outside
		k := min(n, own[i].Size-skip)
		out = append(out, state.IDRange{Inside: base, Outside: own[i].Inside + skip, Size: k})
		first, base, n = first+k, base+k, n-k
	}
	return out, nil
}
