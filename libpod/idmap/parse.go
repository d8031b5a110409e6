package idmap

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"skiff/state"
)

// entry is one value of --uidmap or --gidmap.
type entry struct {
	ranges []state.IDRange
	// extend replaces what the earlier ones map, flag +.
	extend bool
	// users and groups say whom it is for, flags u and g; both where neither is
	// given.
	users, groups bool
}

// parseEntry reads [FLAGS]CONTAINER:FROM[:AMOUNT]. own is the map of the
// namespace that FROM is in, for @HOST.
func parseEntry(s string, own []state.IDRange) (e entry, err error) {
	rest := strings.TrimLeft(s, "+ug")
	for _, f := range s[:len(s)-len(rest)] {
		switch f {
		case '+':
			e.extend = true
		case 'u':
			e.users = true
		case 'g':
			e.groups = true
		}
	}
	if !e.users && !e.groups {
		e.users, e.groups = true, true
	}
	e.ranges, err = parseTriple(rest, own)
	if err != nil {
		return e, fmt.Errorf("invalid mapping %q: %w", s, err)
	}
	return e, nil
}

// parseTriple reads CONTAINER:FROM[:AMOUNT].
func parseTriple(s string, own []state.IDRange) ([]state.IDRange, error) {
	f := strings.Split(s, ":")
	if len(f) != 2 && len(f) != 3 {
		return nil, fmt.Errorf("want CONTAINER:FROM[:AMOUNT]")
	}
	from, host := strings.CutPrefix(f[1], "@")
	n := []uint32{0, 0, 1}
	for i, text := range append([]string{f[0], from}, f[2:]...) {
		v, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number of an id", text)
		}
		n[i] = uint32(v)
	}
	if n[2] == 0 || end(n[0], n[2]) > math.MaxUint32 || end(n[1], n[2]) > math.MaxUint32 {
		return nil, fmt.Errorf("the range is empty or reaches beyond the last id")
	}
	if host {
		return toInside(own, n[1], n[2], n[0])
	}
	return []state.IDRange{{Inside: n[0], Outside: n[1], Size: n[2]}}, nil
}

// build puts entries together. Where the first one extends, ids that nobody
// names are filled in from own, unless that is all of the machine's.
func build(entries []entry, own []state.IDRange, root bool) []state.IDRange {
	var m []state.IDRange
	for _, e := range entries {
		for _, r := range e.ranges {
			if e.extend {
				m = insert(m, r)
			} else {
				m = append(m, r)
			}
		}
	}
	if len(entries) > 0 && entries[0].extend && !root {
		m = fill(m, own)
	}
	return m
}

// options are the words after a mode, NAME=VALUE separated by commas.
func options(mode, s string, known ...string) (map[string][]string, error) {
	out := map[string][]string{}
	if s == "" {
		return out, nil
	}
	for _, word := range strings.Split(s, ",") {
		name, value, ok := strings.Cut(word, "=")
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !ok || !found {
			return nil, fmt.Errorf("invalid option %q of --userns %s: want one of %s", word, mode, strings.Join(known, ", "))
		}
		out[name] = append(out[name], value)
	}
	return out, nil
}

// number is the last value of an option, def where it is not given.
func number(opts map[string][]string, name string, def uint32) (uint32, error) {
	v := opts[name]
	if len(v) == 0 {
		return def, nil
	}
	n, err := strconv.ParseUint(v[len(v)-1], 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("invalid option %q of --userns: it is not a number of an id", name+"="+v[len(v)-1])
	}
	return uint32(n), nil
}
