package archive

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Healthcheck is the instruction HEALTHCHECK as Docker stores it in images.
type Healthcheck struct {
	// Test is NONE, or CMD or CMD-SHELL and what follows.
	Test []string
	// The times are in nanoseconds; 0 leaves them to the engine.
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

// changeHealthcheck reads NONE or [--OPTION=VALUE …] CMD COMMAND. Dockerfile
// reference: HEALTHCHECK.
func changeHealthcheck(c *Config, value string) error {
	h := &Healthcheck{}
	for strings.HasPrefix(value, "--") {
		word, rest, _ := strings.Cut(value, " ")
		if err := h.option(word); err != nil {
			return err
		}
		value = strings.TrimSpace(rest)
	}
	kind, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToUpper(kind) {
	case "NONE":
		if rest != "" {
			return fmt.Errorf("HEALTHCHECK NONE takes no arguments")
		}
		h = &Healthcheck{Test: []string{"NONE"}}
	case "CMD":
		if rest == "" {
			return fmt.Errorf("HEALTHCHECK CMD needs a command")
		}
		var words []string
		if strings.HasPrefix(rest, "[") && json.Unmarshal([]byte(rest), &words) == nil && len(words) > 0 {
			h.Test = append([]string{"CMD"}, words...)
		} else {
			h.Test = []string{"CMD-SHELL", rest}
		}
	default:
		return fmt.Errorf("HEALTHCHECK needs CMD or NONE, not %q", kind)
	}
	c.Healthcheck = h
	return nil
}

func (h *Healthcheck) option(word string) error {
	name, value, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	if name == "retries" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of retries", value)
		}
		h.Retries = n
		return nil
	}
	to := map[string]*time.Duration{
		"interval": &h.Interval, "timeout": &h.Timeout, "start-period": &h.StartPeriod, "start-interval": &h.StartInterval,
	}[name]
	if to == nil {
		return fmt.Errorf("HEALTHCHECK has no option %q", "--"+name)
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > 0 && d < time.Millisecond {
		return fmt.Errorf("%q is not a time of at least 1ms", value)
	}
	*to = d
	return nil
}
