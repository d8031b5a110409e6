package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/state"
)

func healthFlags() []cli.Flag {
	return []cli.Flag{
		text("Command that tells whether the container works", "health-cmd"),
		text("Time between checks; disable leaves them to 'healthcheck run'", "health-interval"),
		text("Time that one check may take", "health-timeout"),
		text("Time after the start in which failures do not count", "health-start-period"),
		text("Time between checks in the start period", "health-start-interval"),
		number("Failures in a row that make the container unhealthy", "health-retries"),
		text("What to do with an unhealthy container: none, kill, restart, stop", "health-on-failure"),
		text("Directory that gets a copy of the results, or local", "health-log-destination"),
		number("Results to keep, 0 for as many as possible", "health-max-log-count"),
		number("Bytes of a check's output to keep, 0 for as many as possible", "health-max-log-size"),
		text("Check that has to succeed before the others begin", "health-startup-cmd"),
		text("Time between startup checks", "health-startup-interval"),
		text("Time that a startup check may take", "health-startup-timeout"),
		number("Failed startup checks after which the container is restarted, 0 for never", "health-startup-retries"),
		number("Startup checks that have to succeed", "health-startup-success"),
		toggle("Leave out the image's health check", "no-healthcheck"),
	}
}

// maxCount bounds numbers of retries and results.
const maxCount = 1<<31 - 1

func (f *form) health() {
	f.req.Explicit.NoHealthcheck = f.c.Bool("no-healthcheck")
	h, set := f.check()
	s, lone := f.startup()
	switch {
	case s.Test != nil && s.Test[0] != state.HealthNone:
		h.Startup, set = s, true
	case lone != "" && f.err == nil:
		f.err = fmt.Errorf("--health-startup-%s needs --health-startup-cmd", lone)
	}
	if set {
		f.cfg.Healthcheck = h
	}
}

// check reads the flags of the health check; set says whether there are any.
func (f *form) check() (h *state.Healthcheck, set bool) {
	given := &f.req.Explicit
	h = &state.Healthcheck{}
	f.test("health-cmd", func(t []string) { h.Test, given.HealthCmd, set = t, true, true })
	f.every("health-interval", func(d duration, manual bool) {
		h.Interval, h.Manual, given.HealthInterval, set = d, manual, true, true
	})
	for _, d := range []struct {
		name  string
		dst   *duration
		given *bool
	}{
		{"health-timeout", &h.Timeout, &given.HealthTimeout},
		{"health-start-period", &h.StartPeriod, &given.HealthStartPeriod},
		{"health-start-interval", &h.StartInterval, &given.HealthStartInterval},
	} {
		f.span(d.name, func(v duration) { *d.dst, *d.given, set = v, true, true })
	}
	f.number("health-retries", 0, maxCount, func(n int) { h.Retries, given.HealthRetries, set = n, true, true })
	word(f, "health-on-failure", healthAction, func(s string) { h.OnFailure, set = s, true })
	word(f, "health-log-destination", logDestination, func(s string) { h.LogDestination, set = s, true })
	f.number("health-max-log-count", 0, maxCount, func(n int) { h.MaxLogCount, set = orAll(n), true })
	f.number("health-max-log-size", 0, maxCount, func(n int) { h.MaxLogSize, set = orAll(n), true })
	return h, set
}

// startup reads the flags of the check that comes before the health check. lone is
// the last one beside its command that is given.
func (f *form) startup() (s *state.StartupCheck, lone string) {
	s = &state.StartupCheck{}
	f.test("health-startup-cmd", func(t []string) { s.Test = t })
	f.every("health-startup-interval", func(d duration, manual bool) { s.Interval, s.Manual, lone = d, manual, "interval" })
	f.span("health-startup-timeout", func(d duration) { s.Timeout, lone = d, "timeout" })
	f.number("health-startup-retries", 0, maxCount, func(n int) { s.Retries, lone = n, "retries" })
	f.number("health-startup-success", 0, maxCount, func(n int) { s.Successes, lone = n, "success" })
	return s, lone
}

// test reads the command of a check.
func (f *form) test(name string, use func([]string)) {
	word(f, name, func(s string) ([]string, error) {
		if s == "" {
			return nil, errors.New("the health command is empty")
		}
		t := parse.HealthCmd(s)
		if t[0] != state.HealthNone && (len(t) < 2 || t[1] == "") {
			return nil, fmt.Errorf("invalid value %q for --%s: it has no command", s, name)
		}
		return t, nil
	}, use)
}

// every is span for the time between two checks, which may be none.
func (f *form) every(name string, use func(d duration, manual bool)) {
	if f.err == nil && f.c.String(name) == "disable" {
		use(0, true)
		return
	}
	f.span(name, func(d duration) { use(d, false) })
}

// span reads a length of time. 0 means the default.
func (f *form) span(name string, use func(duration)) {
	word(f, name, func(s string) (duration, error) {
		d, err := parse.Duration("--"+name, s)
		if err == nil && d != 0 && d < state.HealthShortest {
			err = fmt.Errorf("invalid duration %q for --%s: it must be at least %v", s, name, state.HealthShortest)
		}
		return d, err
	}, use)
}

func healthAction(s string) (string, error) {
	switch s {
	case state.HealthActionNone, state.HealthActionKill, state.HealthActionRestart, state.HealthActionStop:
		return s, nil
	}
	return "", fmt.Errorf("invalid value %q for --health-on-failure: want none, kill, restart or stop", s)
}

// logDestination is a word of Podman's, or a directory that is there.
func logDestination(s string) (string, error) {
	if s == "local" || s == "events_logger" {
		return s, nil
	}
	path, err := filepath.Abs(s)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot use %q for --health-log-destination: %w", s, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("cannot use %q for --health-log-destination: it is not a directory", s)
	}
	return path, nil
}

// orAll stores the 0 of the command line, which means no bound.
func orAll(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
