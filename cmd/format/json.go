package format

import (
	"bytes"
	"encoding/json"
	"io"
)

// JSON prints v with the given indent per level; an empty indent keeps it on
// one line. HTML's special characters stay as they are.
func JSON(w io.Writer, v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if indent != "" {
		enc.SetIndent("", indent)
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// JSONLines prints each row on a line of its own, as docker does.
func JSONLines[T any](w io.Writer, rows []T) error {
	for _, r := range rows {
		if err := JSON(w, r, ""); err != nil {
			return err
		}
	}
	return nil
}

// IsJSON reports whether a --format value asks for JSON.
func IsJSON(format string) bool {
	switch format {
	case "json", "{{json .}}", "{{json . }}", "{{ json .}}", "{{ json . }}":
		return true
	}
	return false
}
