package monitor

import (
	"path/filepath"
	"slices"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/event"
)

// request carries out what a client asks for.
func (m *monitor) request(c *conn, req *wire.Request) {
	if m.doing == leaving {
		c.last(wire.KindReply, wire.Reply{Error: "the container has ended"})
		return
	}
	switch req.Op {
	case wire.OpWait:
		c.role = roleWait
	case wire.OpWaitGone:
		c.role = roleGone
	case wire.OpHold:
		m.hold(c)
	case wire.OpAttach:
		m.attach(c, req.Attach)
	case wire.OpExec:
		m.exec(c, req.Exec)
	case wire.OpStart:
		m.letBegin(c, req.Attach)
	case wire.OpHealth:
		m.check(c)
	case wire.OpPorts:
		c.last(wire.KindReply, wire.Reply{Error: m.changePorts(c, req.Ports)})
	case wire.OpNetwork:
		c.last(wire.KindReply, wire.Reply{Error: m.changeNetwork(c, req.Network)})
	default:
		reply := wire.Reply{Error: m.order(req)}
		c.last(wire.KindReply, reply)
		if reply.Error == "" && req.Op == wire.OpStop && m.doing == waiting {
			m.loop.stop(m.restartTimer)
			m.leave()
		}
	}
}

// order carries out a request that is done at once. It returns what is wrong
// with it.
func (m *monitor) order(req *wire.Request) string {
	switch req.Op {
	case wire.OpStop:
		m.stopping = true
		if req.Waits {
			m.showStopping()
		}
		m.undoInit()
	case wire.OpResize:
		if req.Size == nil || !m.l.Terminal {
			return "the container has no terminal"
		}
		m.main.resize(*req.Size)
	case wire.OpUpdate:
		m.update(req)
	case wire.OpPaused:
		return m.paused(req.Paused)
	case wire.OpReopen:
		if m.log != nil {
			if err := m.log.Reopen(); err != nil {
				return err.Error()
			}
		}
	default:
		return "unknown request " + req.Op
	}
	return ""
}

// hold keeps the container from starting again while the client is there.
func (m *monitor) hold(c *conn) {
	if m.doing != waiting {
		c.last(wire.KindReply, wire.Reply{Error: "it does not wait for its restart"})
		return
	}
	c.role = roleHold
	c.sendJSON(wire.KindReply, wire.Reply{Status: &m.status})
}

// held says that somebody keeps the container from starting.
func (m *monitor) held() bool {
	return slices.ContainsFunc(m.conns, func(c *conn) bool { return c.role == roleHold })
}

// letGo starts the container whose time has come while it was held.
func (m *monitor) letGo() {
	if m.overdue && m.doing == waiting && !m.held() {
		m.again()
	}
}

func (m *monitor) attach(c *conn, a *wire.Attach) {
	switch {
	case a == nil:
		c.close()
		return
	case m.l.Direct:
		c.last(wire.KindReply, wire.Reply{Error: "its streams belong to the command that started it"})
		return
	}
	c.role = roleAttached
	m.note(event.Attach)
	c.sendJSON(wire.KindReply, wire.Reply{Status: &m.status})
	m.main.attachClient(c, *a)
	m.main.throttle()
}

// check runs the health check for a client.
func (m *monitor) check(c *conn) {
	switch {
	case m.health == nil:
		c.last(wire.KindReply, wire.Reply{Error: "it has no defined healthcheck"})
	case m.doing != running || m.status.Phase != state.Running:
		c.last(wire.KindReply, wire.Reply{Error: "it is not running"})
	default:
		m.health.ask(c)
	}
}

func (m *monitor) update(req *wire.Request) {
	if req.Health != nil {
		m.setHealth(*req.Health)
	}
	if req.Restart != nil {
		m.restart.policy = *req.Restart
	}
	if req.Name != "" && req.Name == filepath.Base(req.Name) {
		m.l.Name = req.Name
		if m.l.NameFile != "" {
			m.l.NameFile = filepath.Join(filepath.Dir(m.l.NameFile), req.Name)
		}
		if m.log != nil {
			m.log.Rename(req.Name)
		}
		if m.health != nil {
			m.health.relaunched()
		}
	}
}

func (m *monitor) paused(yes bool) string {
	from, to := state.Paused, state.Running
	if yes {
		from, to = to, from
	}
	if m.status.Phase == to {
		return ""
	}
	if m.doing != running || m.status.Phase != from {
		return "the container does not run"
	}
	m.status.Phase = to
	if err := m.recordStatus(); err != nil {
		m.status.Phase = from
		return err.Error()
	}
	if m.health != nil && yes {
		m.health.suspend()
		m.health.answerAll()
	} else if m.health != nil {
		m.health.arm()
	}
	return ""
}
