package peers

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// result is what one engine did with one line.
type result struct {
	exit           int
	stdout, stderr string
}

// difference is one aspect in which two results differ.
type difference struct {
	aspect string
	// paths are the places, where the outputs are documents.
	paths []string
	text  string
}

// compare gives the differences between what Docker and skiff did.
func compare(docker, skiff result) []difference {
	var out []difference
	if docker.exit != skiff.exit {
		out = append(out, difference{aspect: aspectExit, text: fmt.Sprintf("exit status: docker %d, skiff %d", docker.exit, skiff.exit)})
	}
	if d, ok := compareOutput(docker.stdout, skiff.stdout); !ok {
		out = append(out, d)
	}
	if (docker.stderr == "") != (skiff.stderr == "") {
		out = append(out, difference{aspect: aspectStderr, text: fmt.Sprintf("stderr:\n  docker %q\n  skiff  %q", docker.stderr, skiff.stderr)})
	}
	return out
}

func compareOutput(docker, skiff string) (difference, bool) {
	d, dok := document(docker)
	s, sok := document(skiff)
	if dok && sok {
		return compareDocuments(d, s)
	}
	a, b := normal(docker), normal(skiff)
	if a == b {
		return difference{}, true
	}
	return difference{aspect: aspectStdout, text: fmt.Sprintf("stdout:\n--- docker\n%s\n--- skiff\n%s", a, b)}, false
}

// document reads JSON, or one JSON document a line, flattened: the kind or the
// value at each path. Elements of a list have the path of the list and [].
func document(text string) (map[string]string, bool) {
	if t := strings.TrimSpace(text); !strings.HasPrefix(t, "{") && !strings.HasPrefix(t, "[{") && !strings.HasPrefix(t, "[\n") {
		return nil, false
	}
	flat := map[string]string{}
	dec := json.NewDecoder(strings.NewReader(text))
	for dec.More() {
		var v any
		if dec.Decode(&v) != nil {
			return nil, false
		}
		flatten(flat, "", v)
	}
	return flat, len(flat) > 0
}

func flatten(flat map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		flat[path] = "object"
		for k, e := range v {
			flatten(flat, strings.TrimPrefix(path+"."+normal(k), "."), e)
		}
	case []any:
		flat[path] = "list"
		for _, e := range v {
			flatten(flat, path+"[]", e)
		}
	case nil:
		flat[path] = "null"
	case float64:
		flat[path] = "number"
		// Large ones measure something; processes and subnets are each engine's own.
		if v == float64(int64(v)) && v < 1<<20 && !strings.HasSuffix(path, ".Pid") && !strings.HasSuffix(path, "IPPrefixLen") {
			flat[path] = fmt.Sprint(int64(v))
		}
	default:
		flat[path] = normal(fmt.Sprintf("%#v", v))
	}
}

func compareDocuments(docker, skiff map[string]string) (difference, bool) {
	all := maps.Clone(docker)
	maps.Copy(all, skiff)
	var b strings.Builder
	d := difference{aspect: aspectStdout}
	for _, path := range sorted(all) {
		have, ok := docker[path]
		if !ok {
			have = "absent"
		}
		got, ok := skiff[path]
		if !ok {
			got = "absent"
		}
		if have != got {
			d.paths = append(d.paths, path)
			fmt.Fprintf(&b, "  %s: docker %s, skiff %s\n", path, have, got)
		}
	}
	d.text = "documents:\n" + b.String()
	return d, len(d.paths) == 0
}

// without gives the difference without the paths that are known, and marks
// those as seen.
func (d difference) without(keys map[string]known, seen map[string]bool) difference {
	if d.paths == nil {
		return d
	}
	lines := strings.SplitAfter(d.text, "\n")[1:]
	out := difference{aspect: d.aspect, text: "documents:\n"}
	for i, path := range d.paths {
		if key := keyOf(keys, path); key != "" {
			seen[key] = true
			continue
		}
		out.paths = append(out.paths, path)
		out.text += lines[i]
	}
	return out
}

func keyOf(keys map[string]known, path string) string {
	for key := range keys {
		prefix, open := strings.CutSuffix(key, "*")
		if path == key || open && strings.HasPrefix(path, prefix) {
			return key
		}
	}
	return ""
}

// substitution replaces what differs between any two runs.
type substitution struct {
	pattern *regexp.Regexp
	by      string
}

func substitutions() []substitution {
	const number = `[0-9]+(?:\.[0-9]+)?`
	list := [][2]string{
		{`/var/tmp/skiff-peers-[0-9]+`, "TOP"},
		{`\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+(?: ?[+-][0-9]{2}:?[0-9]{2} [A-Z]+)`, "<Go time>"},
		{`\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z| ?[+-][0-9]{2}:?[0-9]{2}(?: [A-Z]+)?)`, "<time>"},
		{`\b[0-9a-f]{64}\b`, "<id>"},
		{`\b[0-9a-f]{12}\b`, "<short>"},
		{`(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b`, "<mac>"},
		{`\b(?:172|10|192)(?:\.[0-9]{1,3}){3}(?:/[0-9]+)?\b`, "<address>"},
		{`(?:Less than a second|About an? (?:minute|hour)|` + number + ` (?:second|minute|hour|day|week|month|year)s?)(?: ago)?`, "<age>"},
		{`\b` + number + ` ?[kKMGT]?i?B\b`, "<size>"},
		{number + `%`, "<percent>"},
		{`\b(?:3276[89]|327[7-9][0-9]|32[89][0-9]{2}|3[3-9][0-9]{3}|[45][0-9]{4}|60[0-9]{3})\b`, "<port>"},
		{` +$`, ""},
		{`[ \t]{2,}`, "  "},
	}
	out := make([]substitution, len(list))
	for i, s := range list {
		out[i] = substitution{regexp.MustCompile(`(?m)` + s[0]), s[1]}
	}
	return out
}

var subst = substitutions()

// normal takes ids, times, addresses, sizes and widths out of a text.
func normal(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for _, s := range subst {
		text = s.pattern.ReplaceAllString(text, s.by)
	}
	return text
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
