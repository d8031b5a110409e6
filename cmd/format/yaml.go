package format

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
)

// YAML prints a document the way podman's info does: by its JSON names, the
// keys of each level sorted.
func YAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var doc any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return err
	}
	var buf bytes.Buffer
	writeYAML(&buf, doc, "")
	_, err = w.Write(buf.Bytes())
	return err
}

// writeYAML writes v, which begins on a new line at the given indent unless it
// is a scalar.
func writeYAML(b *bytes.Buffer, v any, indent string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			b.WriteString(indent + yamlString(k, "") + ":")
			writeValue(b, v[k], indent)
		}
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && len(m) > 0 {
				var inner bytes.Buffer
				writeYAML(&inner, m, indent+"  ")
				b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
				continue
			}
			b.WriteString(indent + "-")
			writeValue(b, e, indent)
		}
	default:
		b.WriteString(indent + scalar(v, indent) + "\n")
	}
}

// writeValue writes what follows "key:" or "-".
func writeValue(b *bytes.Buffer, v any, indent string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteByte('\n')
		writeYAML(b, v, indent+"  ")
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteByte('\n')
		writeYAML(b, v, indent)
	default:
		b.WriteString(" " + scalar(v, indent) + "\n")
	}
}

func scalar(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		return yamlString(v, indent)
	}
	return ""
}

// yamlString quotes s where plain text would mean something else. Text of
// several lines becomes a literal block below indent.
func yamlString(s, indent string) string {
	if strings.Contains(s, "\n") && Printable(strings.ReplaceAll(s, "\n", "")) == strings.ReplaceAll(s, "\n", "") {
		keep := "|-"
		if strings.HasSuffix(s, "\n") {
			keep, s = "|", strings.TrimSuffix(s, "\n")
		}
		return keep + "\n" + indent + "  " + strings.ReplaceAll(s, "\n", "\n"+indent+"  ")
	}
	if Printable(s) != s {
		return strconv.Quote(s)
	}
	if s == "" || ambiguous(s) {
		if strings.HasPrefix(s, "'") || !strings.Contains(s, "'") {
			return "'" + strings.ReplaceAll(s, "'", "''") + "'"
		}
		return strconv.Quote(s)
	}
	return s
}

func ambiguous(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "~":
		return true
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return true
	}
	if strings.ContainsAny(s[:1], "-?:,[]{}#&*!|>'\"%@` ") && s != "-" {
		return true
	}
	return s == "-" || strings.HasSuffix(s, " ") || strings.HasSuffix(s, ":") ||
		strings.Contains(s, ": ") || strings.Contains(s, " #")
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
