package libpod

import (
	"regexp"
	"slices"
	"strings"

	"skiff/state"
)

// logFields are the labels and variables of a container that its log driver is
// to keep with each line, by name. An image brings labels of its own, so nothing
// is taken that the user did not choose. Docker: --log-opt labels, labels-regex,
// env and env-regex.
func logFields(cfg *state.Config) map[string]string {
	if cfg.Log.Driver != state.LogJournald {
		return nil
	}
	fields := make(map[string]string)
	chosen := func(option string) func(string) bool {
		list := strings.Split(cfg.Log.Options[option], ",")
		re, err := regexp.Compile(cfg.Log.Options[option+"-regex"])
		matches := err == nil && re.String() != ""
		return func(name string) bool {
			return name != "" && (slices.Contains(list, name) || matches && re.MatchString(name))
		}
	}
	label, variable := chosen("labels"), chosen("env")
	for name, value := range cfg.Labels {
		if label(name) {
			fields[name] = value
		}
	}
	for _, kv := range cfg.Process.Env {
		if name, value, _ := strings.Cut(kv, "="); variable(name) {
			fields[name] = value
		}
	}
	return fields
}
