package health

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// newCheck is a check of a container that has just started, in directories of its
// own.
func newCheck(t *testing.T, c state.Healthcheck) (*wire.Check, dirs.Container) {
	t.Helper()
	at := dirs.Container{ID: "box", Data: t.TempDir(), Run: t.TempDir()}
	return &wire.Check{Pid: os.Getpid(), StartedAt: time.Now(), Launch: wire.Launch{
		ID: at.ID, DataDir: at.Data, RunDir: at.Run, Health: &wire.Health{Config: c},
	}}, at
}

// result is one that ends now.
func result(code int, output string) state.HealthResult {
	return state.HealthResult{Start: time.Now(), End: time.Now(), ExitCode: code, Output: output}
}

func TestJudging(t *testing.T) {
	const starting, healthy, unhealthy = state.HealthStarting, state.HealthHealthy, state.HealthUnhealthy
	for name, tt := range map[string]struct {
		config  state.Healthcheck
		results []int
		want    []wire.Outcome
	}{
		"three failures make it unhealthy, one success healthy": {
			results: []int{0, 1, 1, 1, 0},
			want: []wire.Outcome{{Status: healthy, Word: healthy}, {Status: healthy, Word: unhealthy}, {Status: healthy, Word: unhealthy},
				{Status: unhealthy, Word: unhealthy, Act: true}, {Status: healthy, Word: healthy}},
		},
		"failures in the start period do not count until it was healthy": {
			config:  state.Healthcheck{StartPeriod: time.Hour, Retries: 1},
			results: []int{1, 1, 0, 1},
			want: []wire.Outcome{{Status: starting, Word: unhealthy}, {Status: starting, Word: unhealthy},
				{Status: healthy, Word: healthy}, {Status: unhealthy, Word: unhealthy, Act: true}},
		},
		"the startup check has to succeed so often, and then it is the other's turn": {
			config:  state.Healthcheck{Retries: 1, Startup: &state.StartupCheck{Successes: 2}},
			results: []int{1, 0, 0, 1},
			want: []wire.Outcome{{Status: starting, Word: starting}, {Status: starting, Word: healthy},
				{Status: healthy, Word: healthy, StartupPassed: true}, {Status: unhealthy, Word: unhealthy, Act: true, StartupPassed: true}},
		},
		"so many failures of the startup check call for something to be done": {
			config:  state.Healthcheck{Startup: &state.StartupCheck{Retries: 2}},
			results: []int{1, 1},
			want:    []wire.Outcome{{Status: starting, Word: starting}, {Status: starting, Word: starting, Act: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := newCheck(t, tt.config)
			for i, code := range tt.results {
				if got := Take(o, result(code, "")); got != tt.want[i] {
					t.Errorf("result %d: got %+v, want %+v", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestTheLogIsBounded(t *testing.T) {
	o, at := newCheck(t, state.Healthcheck{MaxLogCount: -1, MaxLogSize: -1})
	big := result(0, strings.Repeat("\x01", state.HealthOutputLimit))
	rec := fresh(nil)
	for range state.HealthTotalLimit/state.HealthOutputLimit + 3 {
		keep(rec, big, state.HealthLogLimit)
	}
	write(at.Health(), rec)
	if n, most := len(load(at).Log), state.HealthTotalLimit/state.HealthOutputLimit; n != most {
		t.Errorf("the log has %d results, want %d", n, most)
	}
	o.Launch.Health.Config.MaxLogCount = 2
	Take(o, result(7, "last"))
	if log := load(at).Log; len(log) != 2 || log[1].Output != "last" {
		t.Errorf("the log has %d results, want the last two", len(log))
	}
}

func TestARunKeepsTheLogOfTheOneBefore(t *testing.T) {
	o, at := newCheck(t, state.Healthcheck{})
	Take(o, result(0, "first"))
	End(at, true)
	var last state.Health
	if err := jsonfile.Read(at.LastHealth(), &last); err != nil || last.Status != state.HealthStopped {
		t.Fatalf("at the end it is %q, %v", last.Status, err)
	}
	Begin(at) // another run of the same monitor
	if rec := load(at); rec.Status != state.HealthStarting || len(rec.Log) != 1 {
		t.Errorf("the next run begins with %+v", rec)
	}
	if err := os.Remove(at.Health()); err != nil { // one of another monitor
		t.Fatal(err)
	}
	Begin(at)
	Take(o, result(0, "second"))
	if rec := load(at); rec.Status != state.HealthHealthy || len(rec.Log) != 2 || rec.Log[0].Output != "first" {
		t.Errorf("another monitor's run has %+v", rec)
	}
}

// What is done about an unhealthy container must not depend on the disk.
func TestAFullDiskCostsTheLogOnly(t *testing.T) {
	o, at := newCheck(t, state.Healthcheck{Retries: 2})
	if err := unix.Mount("small", at.Run, "tmpfs", 0, "size=8k"); err != nil {
		t.Skip("needs root for a file system of its own: ", err)
	}
	defer unix.Unmount(at.Run, unix.MNT_DETACH)
	Take(o, result(0, strings.Repeat("x", 3000)))
	if err := os.WriteFile(filepath.Join(at.Run, "all"), make([]byte, 8<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	Take(o, result(1, ""))
	if out := Take(o, result(1, "")); out.Status != state.HealthUnhealthy || !out.Act {
		t.Errorf("after two failures it is %+v", out)
	}
	if rec := load(at); rec.Status != state.HealthUnhealthy || rec.FailingStreak != 2 {
		t.Errorf("the record is %+v", rec)
	}
}
