package monitor_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/event"
	"skiff/state/jsonfile"
)

// checks gives the box a health check with a script.
func (b *box) checks(script string, c state.Healthcheck) {
	c.Test = []string{state.HealthShell, script}
	b.launch.Health = &wire.Health{Config: c, Check: spec(script)}
}

// health is the box's record; an empty one if there is none.
func (b *box) health() state.Health {
	b.t.Helper()
	h, err := b.store.Health(b.c.ID, b.status().Phase.Active())
	if err != nil {
		b.t.Fatalf("health: %v", err)
	}
	if h == nil {
		return state.Health{}
	}
	return *h
}

func TestHealthIsRecordedAndLogged(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	b.launch.Events = event.Log{Path: filepath.Join(b.fakeDir(), "events")}
	flag := filepath.Join(b.fakeDir(), "ok")
	b.checks("echo said; test -e "+flag, state.Healthcheck{Interval: time.Millisecond, Retries: 2})
	b.start()
	eventually(t, "unhealthy", func() bool { return b.health().Status == state.HealthUnhealthy })
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "healthy", func() bool { return b.health().Status == state.HealthHealthy })
	h := b.health()
	if last := h.Log[len(h.Log)-1]; last.Output != "said\n" || last.ExitCode != 0 || h.FailingStreak != 0 {
		t.Errorf("the record is %+v", h)
	}
	eventually(t, "events say that it was unhealthy, then healthy", func() bool {
		data, _ := os.ReadFile(b.launch.Events.Path)
		bad, good := strings.Index(string(data), `"health_status":"unhealthy"`), strings.Index(string(data), `"health_status":"healthy"`)
		return bad >= 0 && good > bad
	})
}

// A stage that is killed leaves the record as it was, and the monitor says there
// that there was no check.
func TestAHealthStageThatIsKilled(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	flag := filepath.Join(b.fakeDir(), "kill")
	b.checks("test ! -e "+flag+" || { rm "+flag+"; kill -9 $PPID; }", state.Healthcheck{Interval: time.Millisecond})
	b.start()
	eventually(t, "healthy", func() bool { return b.health().Status == state.HealthHealthy })
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a check that failed", func() bool {
		for _, r := range b.health().Log {
			if r.ExitCode == -1 && strings.Contains(r.Output, "SIGKILL") {
				return true
			}
		}
		return false
	})
	eventually(t, "healthy again", func() bool { h := b.health(); return h.Status == state.HealthHealthy && h.FailingStreak == 0 })
}

// The end of the container ends a check with its command, and what it would have
// said does not count.
func TestTheEndOfTheContainerEndsACheck(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	pidFile := filepath.Join(b.fakeDir(), "pid")
	b.checks("echo $$ >"+pidFile+"; exec sleep 1000", state.Healthcheck{Interval: time.Millisecond})
	s := b.start()
	var pid int
	eventually(t, "the check runs", func() bool {
		data, _ := os.ReadFile(pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		return pid > 0
	})
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	b.run(s)
	b.nothingRuns()
	eventually(t, "the command is gone", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
	var h state.Health
	if err := jsonfile.Read(b.c.LastHealth(), &h); err != nil || h.Status != state.HealthStopped || len(h.Log) != 0 {
		t.Errorf("the record is %+v, %v; want that it is stopped, without results", h, err)
	}
}

// A pause ends a check, and the next comes after it.
func TestAPauseEndsACheck(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	b.checks("echo begun >>"+filepath.Join(b.fakeDir(), "checks")+"; exec sleep 1000", state.Healthcheck{Interval: time.Millisecond})
	b.start()
	eventually(t, "the check runs", func() bool { return b.lines("checks") == 1 })
	for _, paused := range []bool{true, false} {
		c := b.dial()
		if err := c.Paused(paused); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	eventually(t, "another check runs", func() bool { return b.lines("checks") == 2 })
	if h := b.health(); len(h.Log) != 0 {
		t.Errorf("the check that was cut off counts: %+v", h)
	}
}

// An action is taken, and the record says why.
func TestHealthActions(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	b.checks("exit 3", state.Healthcheck{Interval: time.Millisecond, Retries: 1, OnFailure: state.HealthActionKill})
	st, _, _ := b.run(b.start())
	if st.ExitCode != 137 {
		t.Errorf("it ended with status %d, want 137", st.ExitCode)
	}
	b.nothingRuns()
	if h := b.health(); h.Status != state.HealthUnhealthy || len(h.Log) != 1 || h.Log[0].ExitCode != 3 {
		t.Errorf("the record is %+v", h)
	}
}

// What the engine lacks is said in the result, and nothing hangs.
func TestAHealthStageThatCannotBeRun(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin = true
	link := filepath.Join(b.fakeDir(), "skiff")
	if err := os.Symlink(b.engine[0], link); err != nil {
		t.Fatal(err)
	}
	b.engine[0] = link
	b.checks("true", state.Healthcheck{Interval: 20 * time.Millisecond})
	b.start()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a check that could not be run", func() bool {
		log := b.health().Log
		return len(log) > 0 && strings.Contains(log[len(log)-1].Output, "no such file or directory")
	})
}
