package monitor

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/jsonfile"
)

// checkChurn is what one health check allocates, roughly.
const checkChurn = 8 << 10

// maxText bounds what is kept of the room for the record's text.
const maxText = 32 << 10

// health checks whether the container works. It lives as long as the monitor;
// checks run while the container runs and is not paused.
type health struct {
	m   *monitor
	cfg wire.Health
	rec state.Health
	// successes and failures are those of the startup check in this run.
	successes, failures int

	timer *timer // until the next check
	now   *check // that runs
	// asked are clients that wait for the check that runs, queued those that came
	// after it began and wait for the next.
	asked, queued []*conn
	// acting says that something is done about the container: who asked is told
	// when it has come to an end.
	acting bool
	// text is room for the record's text, which is written at each check.
	text  bytes.Buffer
	ready bool // the service manager knows that the container is healthy
}

// newHealth goes on with the log of the container's last run, as Docker does.
func newHealth(m *monitor, cfg wire.Health) *health {
	h := &health{m: m, cfg: cfg}
	jsonfile.Read(m.c.LastHealth(), &h.rec)
	return h
}

// reset begins the record of a new run.
func (h *health) reset() {
	h.acting = false
	h.rec = state.Health{Version: state.HealthVersion, Status: state.HealthStarting, Log: h.rec.Log}
	h.successes, h.failures = 0, 0
	h.write(h.m.c.Health())
}

// startup says that it is the startup check's turn.
func (h *health) startup() bool { return h.cfg.Config.Startup != nil && !h.rec.StartupPassed }

// interval is the time from the end of one check, or the start, to the next.
// False means that only the user runs checks.
func (h *health) interval() (time.Duration, bool) {
	c := h.cfg.Config
	if h.startup() {
		return cmp.Or(c.Startup.Interval, state.HealthInterval), !c.Startup.Manual
	}
	if h.rec.Status == state.HealthStarting && time.Since(h.m.status.StartedAt) < c.StartPeriod {
		return cmp.Or(c.StartInterval, state.HealthStartInterval), !c.Manual
	}
	return cmp.Or(c.Interval, state.HealthInterval), !c.Manual
}

// arm sets the time of the next check.
func (h *health) arm() {
	h.m.loop.stop(h.timer)
	h.timer = nil
	if d, ok := h.interval(); ok {
		h.timer = h.m.loop.after(d, h.run)
	}
}

// ask runs a check for a client: one that begins after it was asked for.
func (h *health) ask(c *conn) {
	c.role = roleCheck
	if h.now != nil {
		h.queued = append(h.queued, c)
		return
	}
	h.asked = append(h.asked, c)
	h.run()
}

// run runs a check.
func (h *health) run() {
	h.m.loop.stop(h.timer)
	h.timer = nil
	if h.now != nil || h.m.doing != running || h.m.status.Phase != state.Running {
		return
	}
	h.m.churn += checkChurn
	spec, timeout := h.cfg.Check, h.cfg.Config.Timeout
	if h.startup() {
		spec, timeout = h.cfg.Startup, h.cfg.Config.Startup.Timeout
	}
	h.now = &check{
		m: h.m, started: time.Now().UTC(), limit: cmp.Or(timeout, state.HealthTimeout),
		output: capture{max: h.outputSize()}, mark: h.cfg.Config.MaxLogSize == 0, done: h.finished,
	}
	h.now.run(spec)
}

func (h *health) outputSize() int {
	switch n := h.cfg.Config.MaxLogSize; {
	case n == 0:
		return state.HealthOutputSize
	case n < 0:
		return state.HealthOutputLimit
	default:
		return min(n, state.HealthOutputLimit)
	}
}

func (h *health) logCount() int {
	switch n := h.cfg.Config.MaxLogCount; {
	case n == 0:
		return state.HealthLogCount
	case n < 0:
		return state.HealthLogLimit
	default:
		return min(n, state.HealthLogLimit)
	}
}

// finished is called when a check has ended by itself or by its time limit.
func (h *health) finished(r state.HealthResult) {
	h.now = nil
	if h.m.exiting() {
		return // it ended with the container, which says nothing
	}
	before := h.rec.Status
	word, act := h.judge(r)
	h.rec.Log = append(h.rec.Log, r)
	if over := len(h.rec.Log) - h.logCount(); over > 0 {
		h.rec.Log = slices.Delete(h.rec.Log, 0, over)
	}
	h.write(h.m.c.Health())
	if h.rec.Status != before {
		h.m.noteHealth(string(h.rec.Status), r.Output, h.rec.FailingStreak)
	}
	h.export()
	if h.rec.Status == state.HealthHealthy {
		h.tellReady()
	}
	h.acting = h.m.act(act) || h.acting
	h.m.busy()
	if !h.acting {
		h.answer(word)
	}
	if !h.acting && len(h.asked) > 0 {
		h.run()
	} else {
		h.arm()
	}
}

// judge takes a result into the record. word is how the check went, and act what
// is to be done about it.
//
// A failure in the start period of a container that was not healthy yet does not
// count. Docker: daemon/health.go, handleProbeResult.
func (h *health) judge(r state.HealthResult) (word, act string) {
	c, rec := &h.cfg.Config, &h.rec
	if h.startup() {
		return h.judgeStartup(r)
	}
	if r.ExitCode == 0 {
		rec.Status, rec.FailingStreak = state.HealthHealthy, 0
		return state.HealthHealthy, ""
	}
	if rec.Status == state.HealthStarting && r.Start.Sub(h.m.status.StartedAt) < c.StartPeriod {
		return state.HealthUnhealthy, ""
	}
	rec.FailingStreak++
	if rec.FailingStreak < cmp.Or(c.Retries, state.HealthRetries) {
		return state.HealthUnhealthy, ""
	}
	rec.Status = state.HealthUnhealthy
	return state.HealthUnhealthy, c.OnFailure
}

func (h *health) judgeStartup(r state.HealthResult) (word, act string) {
	s := h.cfg.Config.Startup
	if r.ExitCode != 0 {
		if h.failures++; s.Retries > 0 && h.failures >= s.Retries {
			act = state.HealthActionRestart
		}
		return state.HealthStarting, act
	}
	if h.successes++; h.successes >= s.Successes {
		h.rec.StartupPassed = true
		h.rec.Status, h.rec.FailingStreak = state.HealthHealthy, 0
	}
	return state.HealthHealthy, ""
}

// answer tells who asked for the check that has ended how it went.
func (h *health) answer(word string) {
	asked := h.asked
	h.asked, h.queued = h.queued, nil
	for _, c := range asked {
		c.last(wire.KindReply, wire.Reply{Health: word})
	}
}

// suspend stops checking: the container is paused. What a check comes to that
// was cut off does not count.
func (h *health) suspend() {
	h.m.loop.stop(h.timer)
	h.timer = nil
	if h.now != nil {
		h.now.cancel()
		h.now = nil
	}
}

// answerAll tells all who wait that the container was stopped, or what it was
// stopped for.
func (h *health) answerAll() {
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
func (h *health) end() {
	h.suspend()
	if h.rec.Status != state.HealthUnhealthy {
		h.rec.Status, h.rec.FailingStreak = state.HealthStopped, 0
	}
	h.write(h.m.c.Health())
	if !h.m.l.AutoRemove {
		h.write(h.m.c.LastHealth())
	}
}

// write keeps the record. A disk that is full costs the result and no more.
func (h *health) write(path string) {
	jsonfile.WriteIn(path, &h.rec, jsonfile.Volatile, &h.text)
	if h.text.Cap() > maxText {
		h.text = bytes.Buffer{}
	}
}

// healthLog is the record in the form in which Podman keeps it.
type healthLog struct {
	Status        string
	FailingStreak int
	Log           []healthLogEntry
}

type healthLogEntry struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// export writes a copy of the record to the directory that the user named.
func (h *health) export() {
	dir := h.cfg.Config.LogDestination
	if !filepath.IsAbs(dir) {
		return
	}
	out := healthLog{Status: h.rec.Status, FailingStreak: h.rec.FailingStreak}
	for _, r := range h.rec.Log {
		out.Log = append(out.Log, healthLogEntry{r.Start, r.End, r.ExitCode, r.Output})
	}
	path := filepath.Join(dir, h.m.l.ID+"-healthcheck.log")
	jsonfile.Write(path, out, jsonfile.Volatile)
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

// exiting says that the first process is at its end. The kernel ends all other
// processes of its pid namespace before it reports that, so their ends come first.
func (m *monitor) exiting() bool {
	if m.pid == 0 {
		return true
	}
	data, err := jsonfile.ReadAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(m.pid)+"/stat", m.chunk)
	if err != nil {
		return false
	}
	rest := data[bytes.LastIndexByte(data, ')')+1:] // its name may hold anything
	const flagsField, exitingFlag = 9, 0x4          // proc_pid_stat(5), the name is field 2; PF_EXITING, include/linux/sched.h
	for range flagsField - 2 {
		_, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	field, _, _ := bytes.Cut(rest, []byte(" "))
	flags, err := strconv.ParseUint(string(field), 10, 64)
	return err == nil && flags&exitingFlag != 0
}

// tellReady tells the service manager once that the container works.
func (h *health) tellReady() {
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
