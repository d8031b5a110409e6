package libpod

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"skiff/state"
)

// logFields are the labels and variables of a container that belong to each line
// of its log, by name: the journal keeps them, and logs --details shows them. An image brings labels of its own, so nothing
// is taken that the user did not choose. Docker: --log-opt labels, labels-regex,
// env and env-regex.
func logFields(cfg *state.Config) map[string]string {
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

// journalFields are logFields for the log driver that keeps them.
func journalFields(cfg *state.Config) map[string]string {
	if cfg.Log.Driver != state.LogJournald {
		return nil
	}
	return logFields(cfg)
}

// logDetails are the fields as Docker shows them before a line: NAME=VALUE with
// what could be mistaken for more of them escaped as in a URL, sorted, with
// commas between them. The tag is one of them. Docker: logs --details.
func logDetails(cfg *state.Config) string {
	fields := logFields(cfg)
	if cfg.Log.Tag != "" {
		fields["tag"] = cfg.Log.Tag
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(fields[name]))
	}
	return strings.Join(parts, ",")
}
