package libpod

import (
	"fmt"
	"strings"

	"skiff/state"
)

// Filter is one --filter KEY=VALUE or KEY!=VALUE.
type Filter struct {
	Key, Value string
	Not        bool
}

// FilterSyntaxError is a --filter value that is no KEY=VALUE.
type FilterSyntaxError struct{ what, filter string }

func (e *FilterSyntaxError) Error() string {
	return fmt.Sprintf("invalid %s filter %q: must be in the format \"filter=value or filter!=value\"", e.what, e.filter)
}

func (*FilterSyntaxError) Unwrap() error { return state.ErrInvalid }

// ParseFilter takes one --filter value apart. what names the kind of thing that
// is filtered, for the error.
func ParseFilter(what, s string) (Filter, error) {
	key, value, ok := strings.Cut(s, "=")
	not := strings.HasSuffix(key, "!")
	key = strings.TrimSuffix(key, "!")
	if !ok || key == "" {
		return Filter{}, &FilterSyntaxError{what, s}
	}
	return Filter{Key: strings.ToLower(strings.TrimSpace(key)), Value: value, Not: not}, nil
}

// ParseFilters is ParseFilter for each that is not empty: a script's variable may
// be. Docker: the same.
func ParseFilters(what string, list []string) ([]Filter, error) {
	filters := make([]Filter, 0, len(list))
	for _, s := range list {
		if s == "" {
			continue
		}
		f, err := ParseFilter(what, s)
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return filters, nil
}

// predicate decides about one record.
type predicate[T any] func(T) bool

// combine makes one predicate of many filters. Filters of one key widen what
// matches, those of different keys narrow it; labels and negated filters narrow
// in any case. make turns a filter (taken as not negated) into a predicate.
func combine[T any](filters []Filter, make func(Filter) (predicate[T], error)) (predicate[T], error) {
	var all []predicate[T]
	anyOf := map[string][]predicate[T]{}
	var order []string
	for _, f := range filters {
		p, err := make(f)
		if err != nil {
			return nil, err
		}
		switch {
		case f.Not:
			all = append(all, func(v T) bool { return !p(v) })
		case f.Key == "label" || f.Key == "annotation":
			all = append(all, p)
		default:
			if anyOf[f.Key] == nil {
				order = append(order, f.Key)
			}
			anyOf[f.Key] = append(anyOf[f.Key], p)
		}
	}
	for _, key := range order {
		some := anyOf[key]
		all = append(all, func(v T) bool {
			for _, p := range some {
				if p(v) {
					return true
				}
			}
			return false
		})
	}
	return func(v T) bool {
		for _, p := range all {
			if !p(v) {
				return false
			}
		}
		return true
	}, nil
}

// matchLabel reports whether labels have key, or key=value.
func matchLabel(labels map[string]string, want string) bool {
	key, value, exact := strings.Cut(want, "=")
	got, ok := labels[key]
	return ok && (!exact || got == value)
}

func badFilter(f Filter, want string) error {
	return state.Errorf(state.ErrInvalid, "invalid filter '%s=%s': %s", f.Key, f.Value, want)
}

func unknownFilter(f Filter) error {
	return state.Errorf(state.ErrInvalid, "%s is an invalid filter", f.Key)
}
