package monitor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/event"
)

// initialized records a container that is all there but for its program, which
// waits for OpStart, and tells the launcher. Podman: container init.
func (m *monitor) initialized(st *stage) error {
	m.status.Phase = state.Initialized
	if err := m.record(); err != nil {
		return err
	}
	if err := m.watchPoised(st); err != nil {
		return err
	}
	m.note(event.Init)
	if m.launcher != nil {
		m.launcher.last(wire.KindStarted, wire.Started{Status: m.status, Warnings: m.warnings})
	}
	m.warnings = nil
	m.busy()
	return nil
}

// watchPoised has the stage undo its work where the first process ends before its
// program has begun. That is the stage's child as yet, so nobody tells this process.
func (m *monitor) watchPoised(st *stage) error {
	fd, err := unix.PidfdOpen(st.report.Pid, 0)
	if err != nil {
		return err
	}
	_, err = m.loop.add(fd, unix.EPOLLIN, func(uint32) {
		m.gonePoised()
		st.failure = &wire.Failure{Message: "the container's first process ended before its program could begin", Code: 125}
		m.undoInit()
	})
	if err != nil {
		unix.Close(fd)
		return err
	}
	m.poised, m.poisedFD = st, fd
	return nil
}

// gonePoised ends the watch of the first process.
func (m *monitor) gonePoised() {
	if m.poisedFD >= 0 {
		m.loop.remove(m.loop.watches[m.poisedFD])
		unix.Close(m.poisedFD)
		m.poisedFD = -1
	}
}

// letBegin lets the program of an initialized container begin. The client hears of
// it what the launcher of another container does.
func (m *monitor) letBegin(c *conn, a *wire.Attach) {
	if m.poised == nil || m.poisedFD < 0 || m.stopping || m.terminating {
		c.last(wire.KindFailed, wire.Failure{Message: "it does not wait for its start", Code: 125})
		return
	}
	c.role, m.launcher = roleWait, c
	if a != nil {
		c.role, m.l.Attach = roleAttached, a
		m.main.attachClient(c, *a)
	}
	st := m.poised
	m.gonePoised()
	if err := m.begins(st); err != nil {
		st.failure = &wire.Failure{Message: err.Error(), Code: 125}
		m.undoInit()
		return
	}
	m.poised = nil
}

// begins records that the container runs and lets its program begin.
func (m *monitor) begins(st *stage) error {
	m.status.Phase, m.status.StartedAt = state.Running, time.Now().UTC()
	if m.health != nil {
		m.health.reset()
	}
	if err := m.record(); err != nil {
		return err
	}
	_, err := unix.SendmsgN(st.sock, []byte{byte(wire.KindGo), 0, 0, 0, 0}, nil, nil, unix.MSG_NOSIGNAL)
	if errors.Is(err, unix.EPIPE) {
		return nil // the stage is gone: how it ended says why
	}
	return err
}

// undoInit has the stage of an initialized container undo what it did. It says so,
// and goes on with uninitialized when it has ended.
func (m *monitor) undoInit() {
	if m.poised != nil && m.poised.sock >= 0 {
		unix.Shutdown(m.poised.sock, unix.SHUT_WR)
	}
}

// uninitialized is called when the stage of an initialized container has ended, and
// never let the program begin. A container that the user stopped is what it was
// before.
func (m *monitor) uninitialized(ws unix.WaitStatus) {
	st := m.poised
	m.poised = nil
	m.gonePoised()
	var f wire.Failure
	switch {
	case m.stopping || m.terminating:
	case st.failure != nil:
		f = *st.failure
	default:
		f = st.unexpected("the start stage", ws)
	}
	m.startFailed(st, f, true)
}
