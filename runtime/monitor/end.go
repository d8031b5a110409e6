package monitor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/proctree"
	"skiff/runtime/teardown"
	"skiff/runtime/wire"
	"skiff/state"
)

const (
	// engineWait bounds how long skiff may take to undo a start.
	engineWait = 60 * time.Second
	// timeoutCode stands for the exit status of a container that ran for too long
	// and so has none of its own, as with Podman. Where one has to fit into a byte
	// it is 255.
	timeoutCode = -1
	// stopTimeout is how long a container may take to end when the monitor is
	// told to, unless the container's own says otherwise.
	stopTimeout = 10 * time.Second
)

// ended is called when the first process was reaped: it ends the rest of the
// container, keeps the last output, undoes the start, and goes on by the
// restart policy.
func (m *monitor) ended(ws unix.WaitStatus) {
	m.pid, m.pending = 0, nil
	m.loop.stop(m.killTimer)
	m.loop.stop(m.timeoutTimer)
	m.killTimer, m.timeoutTimer = nil, nil
	s := &m.status
	s.FinishedAt = time.Now().UTC()
	s.ExitCode = exitCode(ws)
	s.StoppedByUser, s.Stopping = m.stopping, false
	if m.timedOut {
		s.ExitCode, m.timedOut = timeoutCode, false
	}
	m.closeResolver()
	m.oom.look() // before systemd takes the counters away
	problems := []error{teardown.Kill(s.Teardown.Cgroups)}
	if len(s.Teardown.Cgroups) == 0 {
		proctree.KillChildren() // nothing else tells what is left of it
	}
	m.main.finish()
	m.rules.close()
	s.OOMKilled = m.oomKilled(ws.Signaled() && ws.Signal() == unix.SIGKILL)
	problems = append(problems, m.undo(s.Teardown))
	m.noteDied()
	m.closeReserved()
	if err := errors.Join(problems...); err != nil {
		s.Error = err.Error()
	}
	if m.health != nil {
		m.health.end()
	}
	m.reap() // what was killed with it: processes started by exec, orphans
	delay, again := m.restart.next(s.ExitCode, s.FinishedAt.Sub(s.StartedAt), m.revive)
	m.revive = false
	if m.stopping || m.terminating || m.halted || !again {
		m.leave()
		return
	}
	ran := *s
	m.last = &ran
	s.Phase = state.Restarting
	s.Pid, s.PidStart, s.Teardown, s.Network = 0, 0, state.Teardown{}, addressesOf(s.Network)
	m.doing = waiting
	m.recordStatus()
	m.tellExited(false)
	m.restartTimer = m.loop.after(delay, m.again)
}

// undo takes down what a start set up, with skiff's help where data is not
// enough.
func (m *monitor) undo(td state.Teardown) error {
	needEngine, err := teardown.Run(td)
	if !needEngine {
		return nil
	}
	if eerr := m.engineTeardown(); eerr != nil {
		return errors.Join(err, eerr)
	}
	return nil
}

// engineTeardown runs skiff's teardown command and waits for it.
func (m *monitor) engineTeardown() error {
	if !m.engineCommand("teardown", m.p.ID) {
		return errors.New("cannot take down what the start set up")
	}
	return nil
}

// engineCommand runs one of skiff's internal commands to its end and says
// whether it succeeded.
func (m *monitor) engineCommand(verb, what string) bool {
	pid, err := m.runOn(verb, what, 0, []int{m.null, m.null, m.null})
	if err != nil {
		return false
	}
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		deadline := time.Now().Add(engineWait)
		for {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, _ := unix.Poll(p, max(int(time.Until(deadline)/time.Millisecond), 0))
			if n > 0 {
				break
			}
			if time.Now().After(deadline) {
				unix.Kill(pid, unix.SIGKILL) // our child, not yet reaped
				break
			}
		}
		unix.Close(fd)
	}
	var ws unix.WaitStatus
	for {
		_, err = unix.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err == nil && ws == 0
}

// again starts the container by its restart policy.
func (m *monitor) again() {
	m.restartTimer = nil
	if m.overdue = m.held(); m.overdue {
		return // letGo comes back to it
	}
	m.status.RestartCount++
	if err := m.spawnStart(); err != nil {
		m.startFailed(nil, wire.Failure{Message: err.Error(), Code: 125}, false)
	}
}

// startFailed ends the monitor after a start that did not succeed. leftovers
// says that something of it may still be there.
func (m *monitor) startFailed(st *stage, f wire.Failure, leftovers bool) {
	if leftovers {
		m.undoStart(st)
	}
	m.closeResolver()
	m.oomKilled(false) // only to end the watch
	m.main.closeStreams()
	m.closeReserved()
	m.closeLog()
	m.doing = leaving
	m.stopListening()
	first := m.status.RestartCount == 0
	m.recordFailure(f)
	m.reap()
	if !first {
		m.tellExited(true)
		return
	}
	if f.Message == "" { // it is not a failure
		m.tellExited(true)
		return
	}
	for i := len(m.conns) - 1; i >= 0; i-- {
		m.conns[i].last(wire.KindFailed, f)
	}
}

// endStages orders the stages to undo what they did and waits for them. clean
// says that they did.
func (m *monitor) endStages() (clean bool) {
	clean = true
	for pid, st := range m.stages {
		st.hangUp()
		var ws unix.WaitStatus
		for {
			if _, err := unix.Wait4(pid, &ws, 0, nil); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		clean = clean && ws == 0
		delete(m.stages, pid)
	}
	return clean
}

func (m *monitor) undoStart(st *stage) {
	td := state.Teardown{Engine: true}
	if st != nil && st.report != nil {
		td = st.report.Teardown
		td.Engine = true
	}
	m.undo(td)
	m.pid, m.pending = 0, nil
}

// abandon undoes a launch that failed before the loop ran.
func (m *monitor) abandon(why error) {
	if !m.endStages() {
		m.engineTeardown()
	}
	m.closeLog()
	m.recordFailure(wire.Failure{Message: why.Error(), Code: 125})
}

// leave records the end, or removes the container, and tells everybody.
func (m *monitor) leave() {
	m.doing = leaving
	m.closeLog()
	m.stopListening()
	if !m.l.AutoRemove {
		m.recordEnd()
		m.tellExited(true)
		return
	}
	// Who waits for the program is told when no command finds the container any
	// more; who waits for its removal, when no file of it is left.
	m.status.Phase = state.Exited
	finish := m.remove()
	m.tellExited(false)
	finish()
	if m.l.RemoveImage != "" {
		m.engineCommand("remove-image", m.l.RemoveImage)
	}
	m.tellExited(true)
	_ = teardown.RemoveParents(m.c.CgroupsLock(), teardown.PassingParents(m.status.Teardown.Cgroups)) // nobody is left to be told
}

// tellExited tells those who wait for the end of a run, and at the very end
// everybody.
func (m *monitor) tellExited(gone bool) {
	if m.health != nil {
		m.health.answerAll()
	}
	for i := len(m.conns) - 1; i >= 0; i-- {
		c := m.conns[i]
		mine := c.role == roleWait || c.role == roleAttached && (c.sess == m.main || c.sess == nil)
		switch {
		case mine, gone && c.role == roleGone:
			c.last(wire.KindExited, &m.status)
		case gone && c.role != roleDone && c.role != roleAttached:
			c.close()
		}
	}
}

func (m *monitor) stopListening() {
	if m.ctl < 0 {
		return
	}
	m.loop.remove(m.loop.watches[m.ctl])
	unix.Close(m.ctl)
	m.ctl = -1
}

func (m *monitor) closeLog() {
	if m.log != nil {
		m.log.Close()
		m.log, m.main.log = nil, nil
	}
}

func (m *monitor) closeReserved() {
	m.rules.close()
	for _, fd := range m.reserved {
		unix.Close(fd)
	}
	m.reserved = nil
}

// terminate ends the container because this process was told to end, at the
// shutdown of the machine: the end is recorded, but it is not the user's wish.
func (m *monitor) terminate() {
	m.terminating = true
	switch m.doing {
	case starting:
		m.undoInit()
	case waiting:
		m.loop.stop(m.restartTimer)
		m.leave()
	case running:
		m.stopContainer()
	}
}

// showStopping records that the container was told to end. That is for people to
// see, and no stop fails for want of it.
func (m *monitor) showStopping() {
	if m.doing == running && !m.status.Stopping {
		m.status.Stopping = true
		m.recordStatus()
	}
}

// stopContainer asks the first process to end, and kills it after a while. It
// is our child and not reaped, so its number is its own.
func (m *monitor) stopContainer() {
	if m.pid == 0 || m.killTimer != nil {
		return
	}
	sig, wait := unix.SIGTERM, stopTimeout
	if m.l.StopSignal > 0 {
		sig = unix.Signal(m.l.StopSignal)
	}
	if t := m.l.StopTimeout; t != nil {
		wait = time.Duration(*t) * time.Second
	}
	m.showStopping()
	unix.Kill(m.pid, sig)
	if wait < 0 {
		return
	}
	m.killTimer = m.loop.after(wait, func() {
		m.killTimer = nil
		unix.Kill(m.pid, unix.SIGKILL)
		teardown.Thaw(m.status.Teardown.Cgroups)
	})
}
