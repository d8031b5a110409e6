package parse

import (
	"encoding/json"
	"strings"
)

// stringArray reads a JSON array of strings.
func stringArray(s string) ([]string, bool) {
	var words []string
	if !strings.HasPrefix(strings.TrimSpace(s), "[") || json.Unmarshal([]byte(s), &words) != nil {
		return nil, false
	}
	return words, true
}

// HealthCmd reads --health-cmd: "none", a JSON array (with or without CMD in
// front), or a line for the shell.
func HealthCmd(s string) []string {
	if strings.EqualFold(s, "none") {
		return []string{"NONE"}
	}
	words, ok := stringArray(s)
	if !ok || len(words) == 0 {
		return []string{"CMD-SHELL", s}
	}
	if w := words[0]; w == "CMD" || w == "CMD-SHELL" || w == "NONE" {
		return words
	}
	return append([]string{"CMD"}, words...)
}
