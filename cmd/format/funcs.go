package format

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
	"unicode"
)

// funcs are docker's additions to the functions of text/template.
func funcs() template.FuncMap {
	return template.FuncMap{
		"json":     jsonText,
		"split":    strings.Split,
		"join":     join,
		"title":    title,
		"lower":    onText(strings.ToLower),
		"upper":    onText(strings.ToUpper),
		"pad":      pad,
		"padlen":   padLen,
		"truncate": truncate,
	}
}

// onText lets a function of strings work on whatever a field holds.
func onText(f func(string) string) func(any) string {
	return func(v any) string { return f(fmt.Sprint(v)) }
}

func jsonText(v any) (string, error) {
	var buf bytes.Buffer
	err := JSON(&buf, v, "")
	return strings.TrimSpace(buf.String()), err
}

func join(v any, sep string) (string, error) {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, sep), nil
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, sep), nil
	case string:
		return v, nil
	case nil:
		return "", nil
	}
	return "", fmt.Errorf("cannot join %T", v)
}

// title makes the first letter of each word a capital.
func title(v any) string {
	prev := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(prev) && !unicode.IsDigit(prev) && prev != '_' && prev != '\''
		prev = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, fmt.Sprint(v))
}

// pad puts spaces before and after a text that is not empty.
func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

func padLen(s string, n int) string { return s + strings.Repeat(" ", max(n-len([]rune(s)), 0)) }

// truncate keeps the first n characters.
func truncate(v any, n int) string {
	r := []rune(fmt.Sprint(v))
	if n >= 0 && len(r) > n {
		return string(r[:n])
	}
	return string(r)
}
