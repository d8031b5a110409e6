package monitor

import (
	"errors"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// child is one ended process.
type child struct {
	pid  int
	ws   unix.WaitStatus
	used state.Usage // where the launcher wants it
}

// reap collects all ended children: stages, the first process, those started by
// exec, health stages, and orphans that became ours. Stages come first, because they tell
// which processes theirs were.
func (m *monitor) reap() {
	// What follows may come back here, and then needs room of its own.
	ended := m.reaped[:0]
	m.reaped = nil
	defer func() { m.reaped = ended[:0] }()
	for {
		var ws unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, &used)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		c := child{pid: pid, ws: ws}
		if m.l.Bound {
			c.used = state.UsageOf(used.Utime.Nano(), used.Stime.Nano(), used.Inblock, used.Oublock)
		}
		ended = append(ended, c)
	}
	for _, st := range m.stages {
		st.catchUp()
	}
	// A first process that ended at once may be reaped together with its start
	// stage or, because it becomes ours a moment before the stage itself ends,
	// even ahead of it.
	for _, c := range ended {
		if c.pid == m.pid {
			m.status.Usage = c.used
		}
		if c.pid == m.pid && m.doing == starting {
			ws := c.ws
			m.pending = &ws
		}
	}
	for _, c := range ended {
		if st := m.stages[c.pid]; st != nil {
			st.exited(c.ws)
		}
	}
	for _, c := range ended {
		if done := m.helpers[c.pid]; done != nil {
			delete(m.helpers, c.pid)
			done(c.ws)
		}
	}
	for _, c := range ended {
		if x := m.execs[c.pid]; x != nil {
			x.ended(c.ws)
		} else if h := m.health; h != nil && h.pid == c.pid {
			h.reaped(c.ws)
		}
	}
	for _, c := range ended {
		if c.pid == m.pid && m.doing == running {
			m.ended(c.ws)
		}
	}
}

// exitCode is a process's status as shells and Docker give it.
func exitCode(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
