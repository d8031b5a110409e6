package parse

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a line of an env or label file in bytes.
const maxLine = 1 << 20

// Env reads one -e value: NAME=value as it is; NAME takes the caller's value and
// gives nothing where the caller has none; PREFIX* takes all that begin so.
// environ is the caller's environment. Docker: --env.
func Env(s string, environ []string) ([]string, error) {
	name, _, has := strings.Cut(s, "=")
	if name == "" {
		return nil, fmt.Errorf("invalid environment variable %q: it has no name", s)
	}
	if strings.ContainsRune(s, 0) {
		return nil, fmt.Errorf("invalid environment variable %q: it contains a zero byte", s)
	}
	if has {
		return []string{s}, nil
	}
	prefix, wild := strings.CutSuffix(name, "*")
	var out []string
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		if k != "" && (k == name || wild && strings.HasPrefix(k, prefix)) {
			out = append(out, kv)
		}
	}
	return out, nil
}

// EnvFile reads Docker's env-file syntax: one variable a line, # begins a
// comment line, blank before the name is dropped, the value is taken as it is,
// quotes included; a name alone takes the caller's value. Docker: --env-file.
func EnvFile(path string, r io.Reader, environ []string) ([]string, error) {
	var out []string
	err := eachLine(path, r, func(line string) error {
		name, _, _ := strings.Cut(line, "=")
		if strings.IndexFunc(name, unicode.IsSpace) >= 0 {
			return fmt.Errorf("variable %q contains whitespace", name)
		}
		kv, err := Env(line, environ)
		out = append(out, kv...)
		return err
	})
	return out, err
}

// LabelFile reads one label a line, as EnvFile does without the caller's
// environment. Docker: --label-file.
func LabelFile(path string, r io.Reader) ([]string, error) {
	var out []string
	err := eachLine(path, r, func(line string) error {
		name, _, _ := strings.Cut(line, "=")
		if name == "" || strings.IndexFunc(name, unicode.IsSpace) >= 0 {
			return fmt.Errorf("invalid label name %q", name)
		}
		out = append(out, line)
		return nil
	})
	return out, err
}

func eachLine(path string, r io.Reader, use func(string) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if !utf8.ValidString(line) {
			return fmt.Errorf("cannot read %q: line %d is not UTF-8", path, n)
		}
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := use(line); err != nil {
			return fmt.Errorf("cannot read %q: line %d: %w", path, n, err)
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("cannot read %q: %w", path, err)
	}
	return nil
}

// Pairs reads name=value words into a map; a word without = has an empty value.
// what names them for the error. Docker: --label, --annotation, --log-opt.
func Pairs(what string, words []string) (map[string]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(words))
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		if k == "" {
			return nil, fmt.Errorf("invalid %s %q: it has no name", what, w)
		}
		out[k] = v
	}
	return out, nil
}

// Sysctls reads name=value words; both are needed. Docker: --sysctl.
func Sysctls(words []string) (map[string]string, error) {
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok || v == "" || k == "" || strings.Contains(k, "..") || strings.IndexFunc(k, unicode.IsSpace) >= 0 {
			return nil, fmt.Errorf("invalid sysctl %q: want name=value such as net.ipv4.ip_forward=1", w)
		}
	}
	return Pairs("sysctl", words)
}

// Entrypoint reads --entrypoint: a JSON array of strings, or one word.
func Entrypoint(s string) []string {
	if s == "" {
		return nil
	}
	if words, ok := stringArray(s); ok {
		return words
	}
	return []string{s}
}
