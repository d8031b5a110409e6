package monitor

import (
	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

// execution is a program that was started in the container by exec.
type execution struct {
	m      *monitor
	s      *session
	client *conn
	pid    int
	status *state.Status // what the client is told
	// detached says that nobody waits for it.
	detached bool
	begun    bool // the stage has ended and the client knows
	// early is the end of a program that was reaped before its stage.
	early *unix.WaitStatus
}

// exec runs a further program in the container.
func (m *monitor) exec(c *conn, e *wire.Exec) {
	if e == nil {
		c.close()
		return
	}
	if m.doing != running {
		c.last(wire.KindFailed, wire.Failure{Message: "cannot exec: the container is not running", Code: 125})
		return
	}
	s := newSession(m)
	s.terminal, s.size, s.once = e.Terminal, e.Size, true
	o := stageOptions{verb: "exec-stage", terminal: e.Terminal, openStdin: e.OpenStdin, silent: e.Detach}
	st, err := m.spawnStage(s, o)
	if err != nil {
		c.last(wire.KindFailed, wire.Failure{Message: "cannot exec: " + err.Error(), Code: 125})
		return
	}
	c.role = roleAttached
	if e.Attach != nil && !e.Detach {
		s.attachClient(c, *e.Attach)
	}
	m.churn += 4 << 10
	x := m.execute(st, s, e)
	x.client, x.detached = c, e.Detach
}

// execute has a stage start a program. How that goes on is told to the
// execution, not before the loop turns.
func (m *monitor) execute(st *stage, s *session, e *wire.Exec) *execution {
	x := &execution{m: m, s: s}
	st.reported = func() {
		x.pid = st.report.Pid
		m.execs[x.pid] = x
		x.status = &state.Status{
			Version: state.StatusVersion, BootID: m.l.BootID, Phase: state.Running,
			Pid: x.pid, PidStart: st.report.PidStart,
		}
	}
	st.ended = func(ws unix.WaitStatus) { x.staged(st, e, ws) }
	if err := sendSpec(st, e); err != nil {
		st.hangUp() // its end is reported when it is reaped
	}
	return x
}

// sendSpec hands the program's description to the stage. It may be longer than
// what fits into one message.
func sendSpec(st *stage, e *wire.Exec) error {
	return wire.WriteJSON(stageWriter(st.sock), wire.KindRequest, e)
}

// stageWriter writes to a stage without raising SIGPIPE.
type stageWriter int

func (w stageWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k, err := unix.SendmsgN(int(w), p[n:], nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

// staged is called when the exec stage has ended.
func (x *execution) staged(st *stage, e *wire.Exec, ws unix.WaitStatus) {
	if st.report == nil || st.failure != nil {
		f := wire.Failure{Code: 125}
		if st.failure != nil {
			f = *st.failure
		} else {
			f = st.unexpected("the exec stage", ws)
		}
		if st.report != nil {
			delete(x.m.execs, st.report.Pid)
		}
		x.s.closeStreams()
		x.client.last(wire.KindFailed, f)
		return
	}
	if e.Terminal {
		fd, err := st.terminal()
		if err == nil {
			err = x.s.adoptTerminal(fd, e.OpenStdin)
		}
		if err != nil {
			x.client.last(wire.KindFailed, wire.Failure{Message: "cannot exec: " + err.Error(), Code: 125})
			return
		}
	}
	x.s.listen()
	x.begun = true
	switch {
	case e.Detach:
		x.client.last(wire.KindStarted, x.status)
	default:
		x.client.sendJSON(wire.KindStarted, x.status)
		x.s.resumeClients()
	}
	if x.early != nil {
		x.ended(*x.early)
	}
}

// ended is called when the program was reaped.
func (x *execution) ended(ws unix.WaitStatus) {
	delete(x.m.execs, x.pid)
	if !x.begun {
		x.early = &ws
		return
	}
	x.s.release()
	x.status.Phase = state.Exited
	x.status.ExitCode = exitCode(ws)
	if x.detached {
		x.m.noteExecDied(x.status.ExitCode)
	}
	x.client.last(wire.KindExited, x.status)
}
