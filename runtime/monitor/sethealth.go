package monitor

import (
	"bytes"
	"os"

	"skiff/runtime/wire"
	"skiff/state"
)

// setHealth replaces the health check of a running container; one without a test
// ends checking.
func (m *monitor) setHealth(cfg wire.Health) {
	if len(cfg.Config.Test) == 0 {
		m.l.Health = nil
		if m.health != nil {
			m.health.suspend()
			m.health.answerAll()
			m.health = nil
			os.Remove(m.c.Health())
		}
		return
	}
	m.l.Health = &cfg
	if m.health != nil {
		m.health.replace(cfg)
		return
	}
	m.health = newHealth(m, cfg)
	if m.doing == running {
		m.health.reset()
		m.health.arm()
	}
}

// replace goes on with another check. One that runs is given up where another
// command takes its place: what it says no longer counts, and who waits for it is
// told what the new one says. The status stays until then.
func (h *health) replace(cfg wire.Health) {
	before, _ := h.interval()
	other := !bytes.Equal(h.cfg.Check, cfg.Check) || !bytes.Equal(h.cfg.Startup, cfg.Startup)
	if other {
		h.rec.FailingStreak, h.successes, h.failures = 0, 0, 0
	}
	if h.cfg.Config.Startup == nil && h.rec.Status != state.HealthStarting {
		h.rec.StartupPassed = true // it has worked, or had its time, before
	}
	h.cfg = cfg
	if h.m.doing != running || h.m.status.Phase != state.Running {
		return
	}
	if other {
		h.write(h.m.c.Health())
		h.suspend()
	}
	if h.now != nil {
		return
	}
	if len(h.asked) > 0 && !h.acting {
		h.run()
		return
	}
	if after, _ := h.interval(); h.timer == nil || after != before {
		h.arm()
	}
}

// revives says that the container may start again without a restart policy.
func (m *monitor) revives() bool {
	if m.l.Health == nil {
		return false
	}
	c := m.l.Health.Config
	return c.OnFailure == state.HealthActionRestart || c.Startup != nil && c.Startup.Retries > 0
}
