package monitor

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/health"
	"skiff/runtime/proctree"
	"skiff/runtime/wire"
	"skiff/state"
)

// stageGrace is how much longer than its command a health stage may take.
const stageGrace = 10 * time.Second

// checks has a health stage check now and then whether the container works. It
// lives as long as the monitor; checks run while the container runs and is not
// paused.
//
// The stage does all there is to do for a check (runtime/health), and its exit
// status says what it came to, since a check allocates nothing here: a heap that
// grows is collected some day, and the collector's tables, once there, take more
// than a monitor is to have (docs/decisions/0015-health.md).
type checks struct {
	m   *monitor
	cfg wire.Health
	// last is what the last check of this run said.
	last wire.Outcome

	stage *spawner // starts the health stage
	pid   int      // of the stage while it runs, else 0
	begun time.Time
	late  bool // the stage takes too long

	next  timer // begins a check
	guard timer // ends a stage that hangs
	// asked are clients that wait for the check that runs, queued those that came
	// after it began and wait for the next.
	asked, queued []*conn
	// acting says that something is done about the container: who asked is told
	// when it has come to an end.
	acting bool
	ready  bool // the service manager knows that the container is healthy
}

func newChecks(m *monitor, cfg wire.Health) *checks {
	h := &checks{m: m, cfg: cfg}
	h.next.call, h.guard.call = h.run, h.overdue
	return h
}

// reset begins a new run.
func (h *checks) reset() {
	h.acting = false
	h.last = wire.Outcome{Status: state.HealthStarting}
	health.Begin(h.m.c)
	h.forget()
}

// forget has the next stage told anew what to check.
func (h *checks) forget() {
	h.stage.close()
	h.stage = nil
}

// relaunched is called when the Launch is no longer what came from the engine.
func (h *checks) relaunched() {
	h.m.launch = nil
	h.forget()
}

// order is what the stage is told, but for the Launch.
func (h *checks) order() wire.Check {
	return wire.Check{Pid: h.m.pid, StartedAt: h.m.status.StartedAt, OpenFiles: h.m.openFiles}
}

// startup says that it is the startup check's turn.
func (h *checks) startup() bool { return h.cfg.Config.Startup != nil && !h.last.StartupPassed }

// interval is the time from the end of one check, or the start, to the next.
// False means that only the user runs checks.
func (h *checks) interval() (time.Duration, bool) {
	c := &h.cfg.Config
	if h.startup() {
		return cmp.Or(c.Startup.Interval, state.HealthInterval), !c.Startup.Manual
	}
	if h.last.Status == state.HealthStarting && time.Since(h.m.status.StartedAt) < c.StartPeriod {
		return cmp.Or(c.StartInterval, state.HealthStartInterval), !c.Manual
	}
	return cmp.Or(c.Interval, state.HealthInterval), !c.Manual
}

// limit is how long the check that is due may take.
func (h *checks) limit() time.Duration {
	if h.startup() {
		return health.Limit(h.cfg.Config.Startup.Timeout)
	}
	return health.Limit(h.cfg.Config.Timeout)
}

// arm sets the time of the next check.
func (h *checks) arm() {
	h.m.loop.stop(&h.next)
	if d, ok := h.interval(); ok {
		h.m.loop.start(&h.next, d)
	}
}

// ask runs a check for a client: one that begins after it was asked for.
func (h *checks) ask(c *conn) {
	c.role = roleCheck
	if h.pid != 0 {
		h.queued = append(h.queued, c)
		return
	}
	h.asked = append(h.asked, c)
	h.run()
}

// run runs a check.
func (h *checks) run() {
	h.m.loop.stop(&h.next)
	if h.pid != 0 || h.m.doing != running || h.m.status.Phase != state.Running {
		return
	}
	h.begun, h.late = time.Now(), false
	if err := h.spawn(); err != nil {
		h.finished(h.failed(health.FailedText(err.Error())))
		return
	}
	h.m.loop.start(&h.guard, h.limit()+stageGrace)
}

// spawn starts the stage.
func (h *checks) spawn() (err error) {
	if h.stage == nil {
		if len(h.m.launch) == 0 { // it is not what it was
			if h.m.launch, err = json.Marshal(&h.m.l); err != nil {
				return err
			}
		}
		o := h.order()
		if h.stage, err = newSpawner(h.m, "health-stage", wire.CheckText(&o, h.m.launch)); err != nil {
			return err
		}
	}
	h.pid, err = h.stage.spawn()
	return err
}

// overdue ends a stage that hangs, with its command.
func (h *checks) overdue() {
	h.late = true
	proctree.Kill(h.pid)
}

// reaped is called when the stage has ended.
func (h *checks) reaped(ws unix.WaitStatus) {
	h.m.loop.stop(&h.guard)
	h.pid = 0
	if ws.Exited() {
		if o, ok := wire.ParseOutcome(ws.ExitStatus()); ok {
			h.finished(o)
			return
		}
	}
	if health.Exiting(h.m.pid) {
		return
	}
	switch errno := spawnErrno(ws); {
	case h.late:
		h.finished(h.failed(health.LateText(h.limit())))
	case errno != 0:
		h.finished(h.failed(health.FailedText("cannot run " + h.m.p.Engine[0] + ": " + errno.Error())))
	case ws.Signaled():
		h.finished(h.failed(health.FailedText("it was ended by signal " + unix.SignalName(ws.Signal()))))
	default:
		h.finished(h.failed(health.FailedText("it ended with status " + strconv.Itoa(ws.ExitStatus()))))
	}
}

// failed takes into the record that there was no check.
func (h *checks) failed(why string) wire.Outcome {
	h.m.churn += 8 << 10 // what that allocates, roughly
	h.m.busy()
	o := h.order()
	o.Launch = h.m.l
	return health.Take(&o, state.HealthResult{Start: h.begun.UTC(), End: time.Now().UTC(), ExitCode: -1, Output: why})
}

// finished goes on after a check.
func (h *checks) finished(o wire.Outcome) {
	if o.Status == "" {
		if !health.Exiting(h.m.pid) {
			h.arm()
		}
		return // the container is at its end
	}
	action := h.cfg.Config.OnFailure
	if h.startup() {
		action = state.HealthActionRestart
	}
	h.last = o
	if o.Status == state.HealthHealthy {
		h.tellReady()
	}
	if o.Act {
		h.acting = h.m.act(action) || h.acting
	}
	if !h.acting {
		h.answer(o.Word)
	}
	if !h.acting && len(h.asked) > 0 {
		h.run()
	} else {
		h.arm()
	}
}

// answer tells who asked for the check that has ended how it went.
func (h *checks) answer(word string) {
	asked := h.asked
	h.asked, h.queued = h.queued, nil
	for _, c := range asked {
		c.last(wire.KindReply, wire.Reply{Health: word})
	}
}

// suspend stops checking, and nobody writes the record any more. What a check
// comes to that was cut off does not count.
func (h *checks) suspend() {
	h.m.loop.stop(&h.next)
	h.m.loop.stop(&h.guard)
	if h.pid == 0 {
		return
	}
	proctree.Kill(h.pid)
	for {
		if _, err := unix.Wait4(h.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	h.pid = 0
}

// answerAll tells all who wait that the container was stopped, or what it was
// stopped for.
func (h *checks) answerAll() {
	word := state.HealthStopped
	if h.acting {
		word = state.HealthUnhealthy
	}
	for len(h.asked) > 0 || len(h.queued) > 0 {
		h.answer(word)
	}
}

// end stops checking a container that has ended. What is left is the record for
// those who look at it.
func (h *checks) end() {
	h.suspend()
	h.forget()
	health.End(h.m.c, !h.m.l.AutoRemove)
}

// act does what the user wants done about an unhealthy container, and reports
// whether that is anything.
func (m *monitor) act(action string) bool {
	if m.doing != running || m.pid == 0 {
		return false
	}
	switch action {
	case state.HealthActionKill:
		unix.Kill(m.pid, unix.SIGKILL) // our child, not reaped
	case state.HealthActionRestart:
		m.revive = true
		m.stopContainer()
	case state.HealthActionStop:
		m.halted = true
		m.stopContainer()
	default:
		return false
	}
	return true
}

// tellReady tells the service manager once that the container works.
func (h *checks) tellReady() {
	if h.ready || h.m.l.ReadySocket == "" {
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	err = unix.Sendto(fd, []byte("READY=1"), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: h.m.l.ReadySocket})
	if err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOBUFS {
		h.m.loop.after(noticeRetry, h.tellReady)
		return
	}
	h.ready = true
}
