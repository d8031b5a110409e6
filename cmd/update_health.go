package cmd

import (
	"errors"

	"skiff/state"
)

// healthChange reads the health flags of update into what they change of a
// container. Podman: update --health-*, --no-healthcheck.
func (f *form) healthChange() func(*state.Config) error {
	given, set := f.check()
	startup, lone := f.startup()
	change := healthChange{given: given, startup: startup, lone: lone != "", isSet: f.c.IsSet}
	switch {
	case f.err != nil:
	case f.c.Bool("no-healthcheck"):
		return dropHealth
	case set || change.lone || startup.Test != nil:
		return change.apply
	}
	return func(*state.Config) error { return nil }
}

func dropHealth(cfg *state.Config) error {
	cfg.Healthcheck, cfg.NoHealthcheck = nil, true
	return nil
}

// healthChange is what update changes of a health check.
type healthChange struct {
	given   *state.Healthcheck
	startup *state.StartupCheck
	lone    bool // there are flags of the startup check beside its command
	isSet   func(flag string) bool
}

func (u *healthChange) apply(cfg *state.Config) error {
	if len(u.given.Test) > 0 && u.given.Test[0] == state.HealthNone {
		return dropHealth(cfg)
	}
	h := state.Healthcheck{}
	if cfg.Healthcheck != nil {
		h = *cfg.Healthcheck
	} else if u.given.Test == nil && (u.startup.Test != nil || !u.lone) {
		return errors.New("the healthcheck command is not set: give --health-cmd too")
	}
	if err := u.applyStartup(&h); err != nil {
		return err
	}
	g := u.given
	set := u.isSet
	take(set("health-cmd"), &h.Test, g.Test)
	take(set("health-interval"), &h.Interval, g.Interval)
	take(set("health-interval"), &h.Manual, g.Manual)
	take(set("health-timeout"), &h.Timeout, g.Timeout)
	take(set("health-start-period"), &h.StartPeriod, g.StartPeriod)
	take(set("health-start-interval"), &h.StartInterval, g.StartInterval)
	take(set("health-retries"), &h.Retries, g.Retries)
	take(set("health-on-failure"), &h.OnFailure, g.OnFailure)
	take(set("health-log-destination"), &h.LogDestination, g.LogDestination)
	take(set("health-max-log-count"), &h.MaxLogCount, g.MaxLogCount)
	take(set("health-max-log-size"), &h.MaxLogSize, g.MaxLogSize)
	cfg.Healthcheck, cfg.NoHealthcheck = &h, false
	return nil
}

func (u *healthChange) applyStartup(h *state.Healthcheck) error {
	given := u.startup
	switch {
	case given.Test == nil && !u.lone:
		return nil
	case given.Test != nil && given.Test[0] == state.HealthNone:
		h.Startup = nil
		return nil
	case given.Test == nil && h.Startup == nil:
		return errors.New("the startup healthcheck command is not set: give --health-startup-cmd too")
	}
	s := state.StartupCheck{}
	if h.Startup != nil {
		s = *h.Startup
	}
	set := u.isSet
	take(given.Test != nil, &s.Test, given.Test)
	take(set("health-startup-interval"), &s.Interval, given.Interval)
	take(set("health-startup-interval"), &s.Manual, given.Manual)
	take(set("health-startup-timeout"), &s.Timeout, given.Timeout)
	take(set("health-startup-retries"), &s.Retries, given.Retries)
	take(set("health-startup-success"), &s.Successes, given.Successes)
	h.Startup = &s
	return nil
}

// take gives a setting its new value where it is given.
func take[T any](given bool, to *T, value T) {
	if given {
		*to = value
	}
}
