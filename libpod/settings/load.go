package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// maxFile bounds a file in bytes.
const maxFile = 1 << 20

// document is containers.conf as it is written. Lists and tables are decoded
// by hand because a list may be appended to the files before.
type document map[string]map[string]any

// Load reads the files and checks their values.
func Load(src Source) (Settings, error) {
	list, err := src.files()
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	unknown := map[string]bool{}
	for _, f := range list {
		data, err := readBounded(f.path)
		if errors.Is(err, fs.ErrNotExist) && !f.must || errors.Is(err, fs.ErrPermission) && !f.must {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("cannot read the configuration file: %w", err)
		}
		var doc document
		if _, err := toml.Decode(withoutComments(string(data)), &doc); err != nil {
			return s, fmt.Errorf("cannot read the configuration file %s: %w", f.path, firstLine(err))
		}
		s.Files = append(s.Files, f.path)
		if _, given := doc["engine"]["runtime"]; given {
			s.Engine.RuntimeAsked = f.must
		}
		if err := s.merge(doc, src.Syntax, func(key string) {
			if !unknown[key] {
				unknown[key] = true
				s.Warnings = append(s.Warnings, fmt.Sprintf("ignoring the unknown setting %s in %s", key, f.path))
			}
		}); err != nil {
			if m := (*mountsError)(nil); errors.As(err, &m) {
				return s, fmt.Errorf("%w, in %s", m, f.path)
			}
			return s, fmt.Errorf("cannot use the configuration file %s: %w", f.path, err)
		}
	}
	return s, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// withoutComments empties the lines that are comments: distributions ship files
// that consist of little else, and to read one as TOML takes a millisecond.
// Where there may be strings of several lines, whose lines could look like
// comments, the text is left as it is.
func withoutComments(text string) string {
	if strings.Contains(text, `"""`) || strings.Contains(text, "'''") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
			line = "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(strings.TrimPrefix(line, "toml: "))
}

func (s *Settings) merge(doc document, syn Syntax, unknown func(string)) error {
	tables := make([]string, 0, len(doc))
	for t := range doc {
		tables = append(tables, t)
	}
	sort.Strings(tables)
	for _, t := range tables {
		var use map[string]setter
		switch t {
		case "engine":
			use = s.Engine.setters(syn)
		case "containers":
			use = s.Containers.setters(syn)
		case "network":
			use = s.Network.setters()
		case "build_cache":
			use = buildCacheSetters(&s.BuildCache, syn)
		case "secrets", "configmaps", "machine", "farms", "podmansh":
			continue // tables of other programs
		}
		keys := make([]string, 0, len(doc[t]))
		for k := range doc[t] {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			set, ok := use[k]
			if !ok {
				if !foreign(t, k) {
					unknown(t + "." + k)
				}
				continue
			}
			var skip *ignored
			if err := set(doc[t][k]); errors.As(err, &skip) {
				unknown(t + "." + k + " with " + skip.why)
			} else if err != nil {
				return fmt.Errorf("%s.%s: %w", t, k, err)
			}
		}
	}
	return nil
}

// ignored means that a value is right for others but nothing that skiff has.
type ignored struct{ why string }

func (e *ignored) Error() string { return e.why }

// optional is text for a value that others may want although skiff lacks it.
func optional(dst *string, allowed ...string) setter {
	return func(v any) error {
		var s string
		if err := text(&s)(v); err != nil {
			return err
		}
		if text(new(string), allowed...)(s) != nil {
			return &ignored{fmt.Sprintf("the value %q", s)}
		}
		*dst = s
		return nil
	}
}

// setter checks a value and stores it.
type setter func(v any) error

func text(dst *string, allowed ...string) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a string, not %v", v)
		}
		if len(allowed) > 0 && s != "" {
			found := false
			for _, a := range allowed {
				found = found || a == s
			}
			if !found {
				return fmt.Errorf("invalid value %q: want %s", s, strings.Join(allowed, ", "))
			}
		}
		*dst = s
		return nil
	}
}

func truth(dst *bool) setter {
	return func(v any) error {
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("want true or false, not %v", v)
		}
		*dst = b
		return nil
	}
}

func whole[T int | int64](dst **T) setter {
	return func(v any) error {
		n, ok := v.(int64)
		if !ok || int64(T(n)) != n {
			return fmt.Errorf("want a whole number, not %v", v)
		}
		t := T(n)
		*dst = &t
		return nil
	}
}

func seconds(dst **time.Duration) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a duration such as \"2s\", not %v", v)
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return fmt.Errorf("invalid duration %q", s)
		}
		*dst = &d
		return nil
	}
}

// list stores a list of strings, each read by read. A list with the inline table
// {append = true} in it is appended to the earlier files' instead of replacing it;
// {append = false} stops that for later ones.
func list[T any](dst *[]T, read func(string) (T, error)) setter {
	return func(v any) error {
		words, appended, err := strs(v)
		if err != nil {
			return err
		}
		out := make([]T, 0, len(words))
		for _, w := range words {
			t, err := read(w)
			if err != nil {
				return err
			}
			out = append(out, t)
		}
		if appended {
			out = append(append([]T(nil), *dst...), out...)
		}
		*dst = out
		return nil
	}
}

func strs(v any) (words []string, appended bool, err error) {
	items, ok := v.([]any)
	if !ok {
		return nil, false, fmt.Errorf("want a list of strings, not %v", v)
	}
	for _, i := range items {
		switch i := i.(type) {
		case string:
			words = append(words, i)
		case map[string]any:
			b, ok := i["append"].(bool)
			if !ok || len(i) != 1 {
				return nil, false, fmt.Errorf("want a list of strings, not one with %v", i)
			}
			appended = b
		default:
			return nil, false, fmt.Errorf("want a list of strings, not one with %v", i)
		}
	}
	return words, appended, nil
}

func same(s string) (string, error) { return s, nil }

// many is list for a reader that gives several values.
func many[T any](dst *[]T, read func(string) ([]T, error)) setter {
	return func(v any) error {
		var groups [][]T
		if err := list(&groups, read)(v); err != nil {
			return err
		}
		_, appended, _ := strs(v)
		var out []T
		if appended {
			out = append(out, *dst...)
		}
		for _, g := range groups {
			out = append(out, g...)
		}
		if out == nil {
			out = []T{}
		}
		*dst = out
		return nil
	}
}

// pairs stores a list of name=value words.
func pairs(dst *map[string]string, read func([]string) (map[string]string, error)) setter {
	return func(v any) error {
		words, appended, err := strs(v)
		if err != nil {
			return err
		}
		m, err := read(words)
		if err != nil {
			return err
		}
		if !appended || *dst == nil {
			*dst = m
			return nil
		}
		for k, v := range m {
			(*dst)[k] = v
		}
		return nil
	}
}
