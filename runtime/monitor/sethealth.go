package monitor

import (
	"bytes"
	"os"

	"skiff/runtime/health"
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
			m.health.forget()
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
	m.health = newChecks(m, cfg)
	m.health.relaunched()
	if m.doing == running {
		m.health.reset()
		m.health.arm()
	}
}

// replace goes on with another check. One that runs is given up, since what it
// says no longer counts, and made anew at once; who waits for it is told what the
// new one says. The status stays until then.
func (h *checks) replace(cfg wire.Health) {
	before, _ := h.interval()
	old := h.cfg
	other := !bytes.Equal(old.Check, cfg.Check) || !bytes.Equal(old.Startup, cfg.Startup)
	h.cfg = cfg
	h.relaunched()
	if h.m.doing != running {
		return
	}
	ran, waited := h.pid != 0, h.m.loop.waits(&h.next)
	if ran {
		h.suspend()
	}
	h.last = health.Replace(h.m.c, &old.Config, other)
	if h.acting || h.m.status.Phase != state.Running {
		return
	}
	after, _ := h.interval()
	switch {
	case ran:
		h.run()
	case other || !waited || after != before:
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
