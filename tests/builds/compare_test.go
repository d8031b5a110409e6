package builds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// less gives what an image has beyond its base: what is the same in both is left
// out, and what is gone is named.
func (s snapshot) less(base snapshot) snapshot {
	out := snapshot{}
	for key, v := range s {
		file := strings.HasPrefix(key, "file ") || strings.HasPrefix(key, "time ")
		if !file || base[key] != v {
			out[key] = v
		}
	}
	for key := range base {
		if _, ok := s[key]; !ok && strings.HasPrefix(key, "file ") {
			out[key] = "gone"
		}
	}
	return out
}

// text is the snapshot as it is recorded.
func (s snapshot) text() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s = %s\n", key, s[key])
	}
	return b.String()
}

// parseSnapshot reads what text wrote.
func parseSnapshot(text string) (snapshot, error) {
	s := snapshot{}
	for line := range strings.Lines(text) {
		key, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		if !ok {
			return nil, fmt.Errorf("not a line of a result: %q", line)
		}
		s[key] = v
	}
	return s, nil
}

// difference is one key whose values differ.
type difference struct{ key, want, got string }

func (d difference) String() string {
	return fmt.Sprintf("%s\n\twant %s\n\tgot  %s", d.key, d.want, d.got)
}

// compare gives what differs, want being another builder's image.
func compare(want, got snapshot) []difference {
	all := maps.Clone(want)
	maps.Copy(all, got)
	var out []difference
	for _, key := range slices.Sorted(maps.Keys(all)) {
		w, ok := want[key]
		if !ok {
			w = "absent"
		}
		g, ok := got[key]
		if !ok {
			g = "absent"
		}
		if w != g {
			out = append(out, difference{key, w, g})
		}
	}
	return out
}
