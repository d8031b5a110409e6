package inspect

import (
	"time"

	"skiff/state"
)

// Health is how a container is.
type Health struct {
	Status        string
	FailingStreak int
	Log           []HealthLog
}

// HealthLog is the outcome of one check.
type HealthLog struct {
	Start    string
	End      string
	ExitCode int
	Output   string
}

// Healthcheck is the older name of Health in podman's templates.
func (s *ContainerState) Healthcheck() *Health { return s.Health }

// HealthWord is a container's health as filters name it: none without check.
func (c Container) HealthWord() string {
	switch {
	case c.Health == nil || c.Config.Healthcheck == nil:
		return "none"
	case c.Health.Status == state.HealthStopped:
		return state.HealthUnhealthy // so has Docker those that have ended
	}
	return c.Health.Status
}

func health(h *state.Health) *Health {
	if h == nil {
		return nil
	}
	doc := &Health{Status: h.Status, FailingStreak: h.FailingStreak, Log: []HealthLog{}}
	for _, r := range h.Log {
		doc.Log = append(doc.Log, HealthLog{
			r.Start.Local().Format(time.RFC3339Nano), r.End.Local().Format(time.RFC3339Nano), r.ExitCode, r.Output,
		})
	}
	return doc
}

// StartupHealthCheck is podman's startup check.
type StartupHealthCheck struct {
	Test      []string      `json:",omitempty"`
	Interval  time.Duration `json:",omitempty"`
	Timeout   time.Duration `json:",omitempty"`
	Retries   int           `json:",omitempty"`
	Successes int           `json:",omitempty"`
}

// healthSettings are what podman's document says of a health check and
// docker's does not.
type healthSettings struct {
	StartupHealthCheck         *StartupHealthCheck `json:",omitempty"`
	HealthcheckOnFailureAction string              `json:",omitempty"`
	HealthLogDestination       string              `json:",omitempty"`
	HealthMaxLogCount          int                 `json:"HealthcheckMaxLogCount,omitempty"`
	HealthMaxLogSize           int                 `json:"HealthcheckMaxLogSize,omitempty"`
}

func settingsOf(h *state.Healthcheck) healthSettings {
	if h == nil {
		return healthSettings{}
	}
	s := healthSettings{
		HealthcheckOnFailureAction: orWord(h.OnFailure, state.HealthActionNone),
		HealthLogDestination:       orWord(h.LogDestination, "local"),
		HealthMaxLogCount:          bound(h.MaxLogCount, state.HealthLogCount),
		HealthMaxLogSize:           bound(h.MaxLogSize, state.HealthOutputSize),
	}
	if u := h.Startup; u != nil {
		s.StartupHealthCheck = &StartupHealthCheck{u.Test, u.Interval, u.Timeout, u.Retries, u.Successes}
	}
	return s
}

func orWord(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// bound is a stored bound as the user gave it: 0 for none.
func bound(n, otherwise int) int {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return 0
	}
	return n
}
