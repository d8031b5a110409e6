package libpod

import (
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		needed map[string][]string
		want   []string
	}{
		{"nobody", nil, nil},
		{"those of others first", map[string][]string{"a": {"b", "c"}, "b": {"d"}}, []string{"d", "b", "c"}},
		{"one that needs two", map[string][]string{"a": {"b", "c"}, "c": {"b"}}, []string{"b", "c"}},
		{"in a circle", map[string][]string{"a": {"b"}, "b": {"a"}}, []string{"b"}},
	} {
		if got := order(c.needed, "a"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
