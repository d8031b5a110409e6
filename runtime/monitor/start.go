package monitor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/teardown"
	"skiff/runtime/wire"
	"skiff/state"
)

// spawnStart starts the start stage.
func (m *monitor) spawnStart() error {
	m.doing = starting
	m.status = state.Status{
		Version: state.StatusVersion, BootID: m.l.BootID, Monitor: unix.Getpid(),
		RestartCount: m.status.RestartCount,
	}
	m.main.ended = false
	st := m.early
	m.early = nil
	if st == nil {
		var err error
		if st, err = m.spawnEarly(); err != nil {
			return err
		}
	}
	var std []int
	if m.l.Direct && !m.l.Terminal {
		std = append(std, m.direct...)
		if len(std) == 0 { // given up: nobody knew that there would be another start
			std = []int{m.null, m.null, m.null}
		}
		if !m.l.OpenStdin {
			std[0] = m.null
		}
	}
	if err := st.giveStart(std); err != nil {
		st.hangUp() // it ends: nothing was asked of it
		m.main.closeStreams()
		return err
	}
	if (m.l.Restart.Name == "" || m.l.Restart.Name == state.RestartNo) && !m.revives() {
		m.closeDirect()
	}
	var early error
	gone := false
	st.reported = func() {
		if early = m.created(st); early != nil {
			st.hangUp()
			return
		}
		gone = true
	}
	st.ended = func(ws unix.WaitStatus) {
		switch {
		case m.poised == st:
			m.uninitialized(ws)
		case early != nil:
			m.startFailed(st, wire.Failure{Message: early.Error(), Code: 125}, true)
		case st.failure != nil:
			m.startFailed(st, *st.failure, st.report != nil)
		case !gone || ws != 0:
			m.startFailed(st, st.unexpected("the start stage", ws), true)
		default:
			m.started()
		}
	}
	return nil
}

// created records a container that waits to begin, then lets it.
func (m *monitor) created(st *stage) error {
	if m.left {
		return errors.New("who started the container has gone")
	}
	r := st.report
	var sockets []int
	m.reserved, sockets = takeResolver(&r.Network, m.watchRules(r.Watch, st.fds))
	st.fds = nil
	if err := m.answerNames(r.Network, sockets); err != nil {
		return err
	}
	m.warnings, m.openFiles = r.Warnings, r.OpenFiles
	m.pid = r.Pid
	m.watchOOM(r.OOMFiles)
	if m.l.Terminal {
		fd, err := st.terminal()
		if err != nil {
			return err
		}
		if err := m.main.adoptTerminal(fd, m.l.OpenStdin); err != nil {
			return err
		}
	}
	s := &m.status
	s.Pid, s.PidStart = r.Pid, r.PidStart
	s.Network, s.Teardown = r.Network, r.Teardown
	if m.l.Hold && m.status.RestartCount == 0 {
		return m.initialized(st)
	}
	return m.begins(st)
}

// started is called when the user's program begins and its start stage is gone.
func (m *monitor) started() {
	m.doing = running
	m.limitTime()
	m.main.listen()
	m.rules.listen()
	if m.health != nil {
		m.health.arm()
	}
	m.noteStarted()
	if m.launcher != nil {
		m.launcher.sendJSON(wire.KindStarted, wire.Started{Status: m.status, Warnings: m.warnings})
	}
	m.busy()
	switch {
	case m.pending != nil:
		m.ended(*m.pending)
	case m.left:
		m.killFirst()
	case m.terminating:
		m.terminate()
	}
}

// launcherLeft is called when the launching connection has ended: a container
// that is bound to it ends too.
func (m *monitor) launcherLeft() {
	if !m.l.Bound || m.doing == leaving {
		return
	}
	m.left = true
	if m.doing == running {
		m.killFirst()
	}
}

// killFirst kills the first process, and with it those of its pid namespace.
func (m *monitor) killFirst() {
	if m.pid > 0 { // not yet reaped
		unix.Kill(m.pid, unix.SIGKILL)
		teardown.Thaw(m.status.Teardown.Cgroups)
	}
}

// limitTime has a container killed that runs for too long.
func (m *monitor) limitTime() {
	if m.l.Timeout <= 0 {
		return
	}
	m.timeoutTimer = m.loop.after(time.Duration(m.l.Timeout)*time.Second, func() {
		m.timeoutTimer = nil
		if m.pid > 0 { // not yet reaped
			m.timedOut = true
			m.killFirst()
		}
	})
}
