package state

import (
	"errors"
	"os"
	"time"

	"skiff/state/jsonfile"
)

// Healthcheck is a command that tells whether the container works.
// OCI image config (Docker extension): Healthcheck.
type Healthcheck struct {
	// Test is [CMD, args…], [CMD-SHELL, line] or [NONE].
	Test          []string      `json:"test"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	StartInterval time.Duration `json:"startInterval,omitempty"`
	Retries       int           `json:"retries,omitempty"`

	// Manual leaves checking to `healthcheck run`. Podman: --health-interval=disable.
	Manual bool `json:"manual,omitempty"`
	// Shell runs the line of CMD-SHELL; empty means /bin/sh -c. Dockerfile: SHELL.
	Shell []string `json:"shell,omitempty"`
	// Startup is another check that has to succeed before this one begins; nil
	// means none. Podman: --health-startup-*.
	Startup *StartupCheck `json:"startup,omitempty"`
	// OnFailure is what happens to an unhealthy container: one of the Health
	// action constants, empty for none. Podman: --health-on-failure.
	OnFailure string `json:"onFailure,omitempty"`
	// LogDestination is a directory that gets a copy of the results, or "local" or
	// "events_logger", or empty, which are the same here: the results are kept in
	// health.json. Podman: --health-log-destination.
	LogDestination string `json:"logDestination,omitempty"`
	// MaxLogCount is how many results are kept and MaxLogSize how many bytes of
	// output of each. 0 means Docker's 5 and 4096, -1 as much as skiff keeps at
	// all (HealthLogLimit, HealthOutputLimit).
	MaxLogCount int `json:"maxLogCount,omitempty"`
	MaxLogSize  int `json:"maxLogSize,omitempty"`
}

// StartupCheck is a check for the time until the container works for the first
// time. It takes the place of the health check until it has succeeded.
type StartupCheck struct {
	// Test is as in Healthcheck.
	Test     []string      `json:"test"`
	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	// Retries is how many failures have the container restarted; 0 means never.
	Retries int `json:"retries,omitempty"`
	// Successes is how many times it has to succeed; 0 means once.
	Successes int  `json:"successes,omitempty"`
	Manual    bool `json:"manual,omitempty"` // as in Healthcheck
}

// Words that a test begins with.
const (
	HealthNone  = "NONE"
	HealthCmd   = "CMD"
	HealthShell = "CMD-SHELL"
)

// Valid reports what is wrong with a health check; nil, which is none, is valid.
func (h *Healthcheck) Valid() error {
	switch {
	case h == nil:
		return nil
	case !runnable(h.Test):
		return Errorf(ErrInvalid, "cannot check the health with %q: want CMD and a command, or CMD-SHELL and a line", h.Test)
	case h.Startup != nil && !runnable(h.Startup.Test):
		return Errorf(ErrInvalid, "cannot check the start with %q: want CMD and a command, or CMD-SHELL and a line", h.Startup.Test)
	case min(h.Interval, h.Timeout, h.StartPeriod, h.StartInterval) < 0:
		return Errorf(ErrInvalid, "the times of a health check cannot be negative")
	case h.Retries < 0:
		return Errorf(ErrInvalid, "the retries of a health check cannot be negative")
	}
	if s := h.Startup; s != nil && (min(s.Interval, s.Timeout) < 0 || min(s.Retries, s.Successes) < 0) {
		return Errorf(ErrInvalid, "the times and counts of a startup check cannot be negative")
	}
	switch h.OnFailure {
	case "", HealthActionNone, HealthActionKill, HealthActionRestart, HealthActionStop:
		return nil
	}
	return Errorf(ErrInvalid, "invalid health action %q: want none, kill, restart or stop", h.OnFailure)
}

func runnable(test []string) bool {
	return len(test) > 1 && (test[0] == HealthCmd || test[0] == HealthShell) && test[1] != ""
}

// Defaults of a health check. Docker: HEALTHCHECK in the Dockerfile reference,
// and daemon/health.go for the log.
const (
	HealthInterval      = 30 * time.Second
	HealthTimeout       = 30 * time.Second
	HealthStartInterval = 5 * time.Second
	HealthRetries       = 3
	HealthLogCount      = 5
	HealthOutputSize    = 4096
	// HealthShortest is the shortest of its times.
	HealthShortest = time.Millisecond
	// HealthLogLimit and HealthOutputLimit bound what is kept even where the user
	// asks for no bound.
	HealthLogLimit    = 1000
	HealthOutputLimit = 64 << 10
	// HealthTotalLimit bounds the output of all results together.
	HealthTotalLimit = 4 << 20
)

// Health actions. Podman: --health-on-failure.
const (
	// HealthActionNone only shows that the container is unhealthy.
	HealthActionNone = "none"
	// HealthActionKill kills it, as if it had crashed: its restart policy applies.
	HealthActionKill = "kill"
	// HealthActionRestart stops it and starts it again, whatever its policy.
	HealthActionRestart = "restart"
	// HealthActionStop stops it, and its restart policy does not apply.
	HealthActionStop = "stop"
)

// What a container's health may be.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
	// HealthStopped is that of a container that was not unhealthy and has ended;
	// Docker shows it as unhealthy.
	HealthStopped = "stopped"
)

// HealthVersion is the version that this skiff writes into health.json.
const HealthVersion = 1

// Health is how a container with a health check is. It is written as health.json
// below the run root after each check, by the process that carried it out, and
// below the data root, by the monitor, when a run of the container has ended.
type Health struct {
	Version int    `json:"version"`
	Status  string `json:"status"` // one of the Health status constants
	// FailingStreak is the number of failures since the last success.
	FailingStreak int `json:"failingStreak"`
	// StartupPassed says that the startup check has succeeded in this run.
	StartupPassed bool `json:"startupPassed,omitempty"`
	// StartupSuccesses and StartupFailures count the results of the startup check in
	// this run.
	StartupSuccesses int `json:"startupSuccesses,omitempty"`
	StartupFailures  int `json:"startupFailures,omitempty"`
	// Log are the last results, the oldest first, also of runs before.
	Log []HealthResult `json:"log,omitempty"`
}

// HealthResult is the outcome of one check.
type HealthResult struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// ExitCode is the command's, or -1 where it could not be run or took too long.
	ExitCode int    `json:"exitCode"`
	Output   string `json:"output,omitempty"` // both streams, cut off at MaxLogSize
}

// Health reads how a container is; nil where no check was ever run, as with a
// container without health check. active says that the container has a monitor: until
// the first check of a run it is starting, and its log is that of the run before.
func (s *Store) Health(id string, active bool) (*Health, error) {
	c := s.Roots.Container(id)
	h := new(Health)
	err := os.ErrNotExist
	if active {
		err = jsonfile.Read(c.Health(), h)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = jsonfile.Read(c.LastHealth(), h)
		if active {
			h.Status, h.FailingStreak, h.StartupPassed = HealthStarting, 0, false
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}
