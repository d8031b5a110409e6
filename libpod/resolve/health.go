package resolve

import (
	"slices"
	"time"

	"skiff/state"
)

// health is the image's check with what the user gave in place of its parts.
func (b *builder) health() error {
	c, user := b.cfg, b.cfg.Healthcheck
	c.Healthcheck = nil
	c.NoHealthcheck = b.in.Given.NoHealthcheck
	if !c.NoHealthcheck {
		h := b.healthcheck(user)
		if c.NoHealthcheck = len(h.Test) > 0 && h.Test[0] == state.HealthNone; len(h.Test) > 0 && !c.NoHealthcheck {
			c.Healthcheck = h
		}
	}
	if c.Healthcheck != nil {
		return c.Healthcheck.Valid()
	}
	switch {
	case c.Notify == state.NotifyHealthy:
		return invalid("sdnotify policy %q requires a healthcheck to be set", c.Notify)
	case user == nil:
	case user.OnFailure != "" && user.OnFailure != state.HealthActionNone:
		return invalid("cannot set on-failure action to %s without a health check", user.OnFailure)
	case user.Startup != nil:
		return invalid("cannot use a startup health check without a health check")
	}
	return nil
}

func (b *builder) healthcheck(user *state.Healthcheck) *state.Healthcheck {
	h := imageHealth(b.img)
	if user == nil {
		return h
	}
	given := b.in.Given
	if given.HealthCmd {
		h.Test = user.Test
	}
	if given.HealthRetries {
		h.Retries = user.Retries
	}
	for _, p := range []struct {
		given    bool
		dst, src *time.Duration
	}{
		{given.HealthInterval, &h.Interval, &user.Interval},
		{given.HealthTimeout, &h.Timeout, &user.Timeout},
		{given.HealthStartPeriod, &h.StartPeriod, &user.StartPeriod},
		{given.HealthStartInterval, &h.StartInterval, &user.StartInterval},
	} {
		if p.given {
			*p.dst = *p.src
		}
	}
	// No image knows these.
	h.Manual, h.OnFailure, h.Startup = user.Manual, user.OnFailure, user.Startup
	h.LogDestination, h.MaxLogCount, h.MaxLogSize = user.LogDestination, user.MaxLogCount, user.MaxLogSize
	return h
}

// imageHealth is the image's check as far as it makes sense: what an image says
// must not keep it from running, nor keep the machine busy.
func imageHealth(img state.ImageConfig) *state.Healthcheck {
	h := &state.Healthcheck{Shell: slices.Clone(img.Shell)}
	if from := img.Healthcheck; from != nil {
		h.Test = slices.Clone(from.Test)
		h.Interval, h.Timeout = sane(from.Interval), sane(from.Timeout)
		h.StartPeriod, h.StartInterval = sane(from.StartPeriod), sane(from.StartInterval)
		h.Retries = max(from.Retries, 0)
	}
	if none := len(h.Test) > 0 && h.Test[0] == state.HealthNone; !none && h.Valid() != nil {
		h.Test = nil
	}
	return h
}

// sane is a time of a health check, or 0, which means the default.
func sane(d time.Duration) time.Duration {
	if d < state.HealthShortest {
		return 0
	}
	return d
}
