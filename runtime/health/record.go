// Package health carries out a container's health checks and keeps the record of
// what they came to. Whoever does it does it alone: the health stage that the
// monitor has started, or the monitor while there is none.
//
// Not here: when a check is due and what is done to an unhealthy container, which
// is the monitor's, and how a program gets into a container. The monitor links
// this package: standard library, x/sys, state and runtime/wire only.
package health

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/event"
	"skiff/state/jsonfile"
)

// Begin begins the record of a new run, where there is one of a run before. Without
// it the first check does, so that a monitor need not know how a record is written
// for as long as its container runs.
func Begin(c dirs.Container) {
	if jsonfile.Exists(c.Health()) {
		write(c.Health(), fresh(load(c).Log))
	}
}

// End ends the record of a run. With keep it is left for those who look at the
// container later.
func End(c dirs.Container, keep bool) {
	rec := load(c)
	if rec.Status != state.HealthUnhealthy {
		rec.Status, rec.FailingStreak = state.HealthStopped, 0
	}
	write(c.Health(), rec)
	if keep {
		write(c.LastHealth(), rec)
	}
}

// Replace adapts the record to another check: old is what was checked, and other
// says that the command is another. It gives what the record says then.
func Replace(c dirs.Container, old *state.Healthcheck, other bool) wire.Outcome {
	rec := load(c)
	if other {
		rec.FailingStreak, rec.StartupSuccesses, rec.StartupFailures = 0, 0, 0
	}
	if old.Startup == nil && rec.Status != state.HealthStarting {
		rec.StartupPassed = true // it has worked, or had its time, before
	}
	write(c.Health(), rec)
	return wire.Outcome{Status: rec.Status, StartupPassed: rec.StartupPassed}
}

// Take takes a result into the record and logs what it changes.
func Take(o *wire.Check, r state.HealthResult) wire.Outcome {
	c := container(o)
	rec := load(c)
	before := rec.Status
	out := judge(o, rec, r)
	keep(rec, r, logCount(&o.Launch.Health.Config))
	write(c.Health(), rec)
	if rec.Status != before {
		note(o, rec, r)
	}
	export(o, rec)
	out.Status, out.StartupPassed = rec.Status, rec.StartupPassed
	return out
}

func container(o *wire.Check) dirs.Container {
	return dirs.Container{ID: o.Launch.ID, Data: o.Launch.DataDir, Run: o.Launch.RunDir}
}

// load reads the record of a run. One that is not there yet, or cannot be read,
// begins with the log of the run before, as Docker's does.
func load(c dirs.Container) *state.Health {
	rec := new(state.Health)
	if jsonfile.Read(c.Health(), rec) == nil {
		return rec
	}
	jsonfile.Read(c.LastHealth(), rec)
	return fresh(rec.Log)
}

func fresh(log []state.HealthResult) *state.Health {
	return &state.Health{Version: state.HealthVersion, Status: state.HealthStarting, Log: log}
}

// judge takes a result into the record, but for its log, and says how the check
// went and whether something is to be done about it.
//
// A failure in the start period of a container that was not healthy yet does not
// count. Docker: daemon/health.go, handleProbeResult.
func judge(o *wire.Check, rec *state.Health, r state.HealthResult) wire.Outcome {
	c := &o.Launch.Health.Config
	if startup(c, rec) {
		return judgeStartup(c.Startup, rec, r)
	}
	if r.ExitCode == 0 {
		rec.Status, rec.FailingStreak = state.HealthHealthy, 0
		return wire.Outcome{Word: state.HealthHealthy}
	}
	if rec.Status == state.HealthStarting && r.Start.Sub(o.StartedAt) < c.StartPeriod {
		return wire.Outcome{Word: state.HealthUnhealthy}
	}
	rec.FailingStreak++
	if rec.FailingStreak < cmp.Or(c.Retries, state.HealthRetries) {
		return wire.Outcome{Word: state.HealthUnhealthy}
	}
	rec.Status = state.HealthUnhealthy
	return wire.Outcome{Word: state.HealthUnhealthy, Act: true}
}

func judgeStartup(s *state.StartupCheck, rec *state.Health, r state.HealthResult) wire.Outcome {
	if r.ExitCode != 0 {
		rec.StartupFailures++
		return wire.Outcome{Word: state.HealthStarting, Act: s.Retries > 0 && rec.StartupFailures >= s.Retries}
	}
	if rec.StartupSuccesses++; rec.StartupSuccesses >= s.Successes {
		rec.StartupPassed = true
		rec.Status, rec.FailingStreak = state.HealthHealthy, 0
	}
	return wire.Outcome{Word: state.HealthHealthy}
}

// startup says that it is the startup check's turn.
func startup(c *state.Healthcheck, rec *state.Health) bool {
	return c.Startup != nil && !rec.StartupPassed
}

func logCount(c *state.Healthcheck) int {
	switch n := c.MaxLogCount; {
	case n == 0:
		return state.HealthLogCount
	case n < 0:
		return state.HealthLogLimit
	default:
		return min(n, state.HealthLogLimit)
	}
}

// keep adds a result to the log and drops the oldest that are too many.
func keep(rec *state.Health, r state.HealthResult, most int) {
	rec.Log = append(rec.Log, r)
	over := max(len(rec.Log)-most, 0)
	total := 0
	for i := len(rec.Log) - 1; i >= over; i-- {
		if total += len(rec.Log[i].Output); total > state.HealthTotalLimit {
			over = i + 1
		}
	}
	rec.Log = slices.Delete(rec.Log, 0, over)
}

// write keeps the record. On a full disk its log is done without, and it takes the
// room of the record before, so that what is done about an unhealthy container does
// not depend on the disk.
func write(path string, rec *state.Health) {
	if jsonfile.Write(path, rec, jsonfile.Volatile) == nil {
		return
	}
	short := *rec
	short.Log = nil
	data, err := json.Marshal(&short)
	if err != nil {
		return
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return
	}
	// One write in place of all, since somebody may read at the same time: JSON may
	// end with spaces.
	data = append(data, bytes.Repeat([]byte(" "), max(int(st.Size)-len(data), 0))...)
	unix.Pwrite(fd, data, 0)
}

// note logs that the container's health has changed, as Docker does; each check is
// in the record. What cannot be logged is done without.
func note(o *wire.Check, rec *state.Health, r state.HealthResult) {
	l := &o.Launch
	_ = l.Events.Append(event.Event{
		ID: l.ID, Image: l.Image, Name: l.Name, Status: event.HealthStatus, Type: event.Container, Attributes: l.EventLabels,
		HealthStatus: rec.Status, HealthLog: r.Output, HealthFailingStreak: rec.FailingStreak,
	})
}

// exported is the record in the form in which Podman keeps it.
type exported struct {
	Status        string
	FailingStreak int
	Log           []exportedEntry
}

type exportedEntry struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// export writes a copy of the record to the directory that the user named.
func export(o *wire.Check, rec *state.Health) {
	dir := o.Launch.Health.Config.LogDestination
	if !filepath.IsAbs(dir) {
		return
	}
	out := exported{Status: rec.Status, FailingStreak: rec.FailingStreak}
	for _, r := range rec.Log {
		out.Log = append(out.Log, exportedEntry{r.Start, r.End, r.ExitCode, r.Output})
	}
	jsonfile.Write(filepath.Join(dir, o.Launch.ID+"-healthcheck.log"), out, jsonfile.Volatile)
}
