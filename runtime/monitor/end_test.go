package monitor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/monitorclient"
	"skiff/state"
)

func TestRestartOnFailureGivesUp(t *testing.T) {
	b := newBox(t, fake{Script: "echo run; exit 3"})
	b.launch.Restart = state.RestartPolicy{Name: state.RestartOnFailure, MaxRetries: 2}
	b.launch.Attach = everything
	s := b.start()
	gone, wait := b.dialGone(), s
	st, out, _ := b.run(wait)
	if st.ExitCode != 3 || st.Phase != state.Restarting || out != "run\n" {
		t.Errorf("first end: %s %d %q", st.Phase, st.ExitCode, out)
	}
	st = <-gone
	if st.Phase != state.Exited || st.RestartCount != 2 || st.ExitCode != 3 {
		t.Errorf("at the end: %+v", st)
	}
	b.nothingRuns()
	if n := b.lines("starts"); n != 3 {
		t.Errorf("%d starts, want 3", n)
	}
	if log := b.log(); log != "run\nrun\nrun\n" {
		t.Errorf("log %q", log)
	}
}

// dialGone waits for the monitor's end on a connection of its own.
func (b *box) dialGone() <-chan state.Status {
	c := b.dial()
	ch := make(chan state.Status, 1)
	go func() {
		st, err := within(b.t, func() (state.Status, error) { return c.WaitGone(context.Background()) })
		if errors.Is(err, state.ErrNotFound) { // it ended before it had read what it was asked
			eventually(b.t, "the end", func() bool { return !b.status().Phase.Active() })
			st, err = b.status().Status, nil
		}
		if err != nil {
			b.t.Errorf("wait: %v", err)
		}
		ch <- st
	}()
	return ch
}

func TestStopEndsTheWaitForARestart(t *testing.T) {
	b := newBox(t, fake{Script: "exit 1"})
	b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
	b.start()
	eventually(t, "some restarts", func() bool { return b.lines("starts") >= 4 })
	eventually(t, "it waits", func() bool { return b.status().Phase == state.Restarting })
	gone := b.dialGone()
	if err := b.dial().Stop(false); err != nil {
		t.Fatal(err)
	}
	if st := <-gone; st.Phase != state.Exited || st.ExitCode != 1 {
		t.Errorf("status %+v", st)
	}
	b.nothingRuns()
}

func TestStopWhileItRunsPreventsTheRestart(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
	s := b.start()
	if err := b.dial().Stop(false); err != nil {
		t.Fatal(err)
	}
	unix.Kill(s.Status().Pid, unix.SIGTERM)
	if st, _, _ := b.run(s); st.ExitCode != 143 || st.Phase != state.Exited {
		t.Errorf("status %+v", st)
	}
	b.nothingRuns()
	if n := b.lines("starts"); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestUpdateChangesPolicyAndName(t *testing.T) {
	b := newBox(t, fake{Script: "read x; exit 1"})
	b.launch.OpenStdin, b.launch.Attach, b.launch.StdinOnce = true, everything, true
	b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
	s := b.start()
	if err := b.dial().Update(&state.RestartPolicy{Name: state.RestartNo}, "other"); err != nil {
		t.Fatal(err)
	}
	s.CloseStdin()
	if st, _, _ := b.run(s); st.Phase != state.Exited {
		t.Errorf("status %+v", st)
	}
}

func TestAFailedRestartIsRecorded(t *testing.T) {
	b := newBox(t, fake{Script: "exit 6"})
	b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
	b.start()
	gone := b.dialGone()
	os.WriteFile(filepath.Join(b.fakeDir(), "fake.json"), []byte(`{"failure":{"message":"image is gone","code":125}}`), 0o600)
	if st := <-gone; st.Phase != state.Exited || st.Error != "image is gone" || st.StartedAt.IsZero() {
		t.Errorf("status %+v", st)
	}
	b.nothingRuns()
}

func TestAutoRemoveLeavesNothing(t *testing.T) {
	b := newBox(t, fake{Script: "exit 9"})
	dir := t.TempDir()
	volume := filepath.Join(dir, "volume")
	outside := filepath.Join(dir, "outside")
	for _, d := range []string{filepath.Join(volume, "_data", "deep"), outside, filepath.Join(b.c.Upper(), "x")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	keep := filepath.Join(outside, "keep")
	cid := filepath.Join(dir, "cid")
	os.WriteFile(keep, nil, 0o600)
	os.WriteFile(cid, []byte(b.c.ID), 0o600)
	for _, link := range []string{filepath.Join(volume, "_data", "link"), filepath.Join(b.c.Upper(), "link")} {
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
	}
	b.launch.AutoRemove, b.launch.Volumes, b.launch.CIDFile = true, []string{volume}, cid
	if st, _, _ := b.run(b.start()); st.ExitCode != 9 {
		t.Errorf("exit code %d", st.ExitCode)
	}
	for _, p := range []string{b.c.Config(), cid, b.launch.NameFile, filepath.Join(volume, "volume.json")} {
		if _, err := os.Lstat(p); err == nil {
			t.Errorf("%s is there when the end is told", p)
		}
	}
	for _, p := range []string{b.c.Data, b.c.Run, volume} {
		eventually(t, p+" goes", func() bool { _, err := os.Lstat(p); return err != nil })
	}
	if _, err := os.Lstat(keep); err != nil {
		t.Errorf("a file outside was removed: %v", err)
	}
	if _, err := b.store.Status(b.c.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("status error %v", err)
	}
}

func TestANameThatWasTakenOverStays(t *testing.T) {
	b := newBox(t, fake{Script: "exit 0"})
	b.launch.AutoRemove = true
	if err := os.WriteFile(b.launch.NameFile, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(b.start())
	if _, err := os.Lstat(b.launch.NameFile); err != nil {
		t.Error("the name of another container was removed")
	}
}

func TestTeardownIsCarriedOut(t *testing.T) {
	lease := filepath.Join(t.TempDir(), "lease")
	os.WriteFile(lease, nil, 0o600)
	b := newBox(t, fake{Script: "exit 0", Teardown: state.Teardown{Files: []string{lease}, Engine: true}, Reserve: true})
	st, _, _ := b.run(b.start())
	if _, err := os.Lstat(lease); err == nil || st.Error != "" {
		t.Errorf("lease: %v, status %+v", err, st)
	}
	if n := b.lines("teardowns"); n != 1 {
		t.Errorf("%d teardowns by the engine", n)
	}
	if live := b.status(); live.Teardown.Engine || len(live.Teardown.Files) > 0 {
		t.Errorf("teardown is still recorded: %+v", live.Teardown)
	}
}

func TestReservedDescriptorsAreHeld(t *testing.T) {
	b := newBox(t, fake{Script: "read x", Reserve: true})
	b.launch.OpenStdin, b.launch.StdinOnce, b.launch.Attach = true, true, everything
	s := b.start()
	if !holds(t, s.Status().Monitor, "memfd:reserved") {
		t.Error("the monitor does not hold the descriptor")
	}
	s.CloseStdin()
	b.run(s)
}

func holds(t *testing.T, pid int, name string) bool {
	t.Helper()
	dir := "/proc/" + itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if l, _ := os.Readlink(filepath.Join(dir, e.Name())); strings.Contains(l, name) {
			return true
		}
	}
	return false
}

func TestOOMKillsAreCounted(t *testing.T) {
	events := filepath.Join(t.TempDir(), "memory.events")
	os.WriteFile(events, []byte("low 0\noom 4\noom_kill 2\n"), 0o600)
	for _, tt := range []struct {
		script string
		want   bool
	}{
		{"exit 0", false},
		{"echo oom_kill 3 > " + events + "; exit 137", true},
	} {
		b := newBox(t, fake{Script: tt.script, OOMFiles: []string{events}})
		if st, _, _ := b.run(b.start()); st.OOMKilled != tt.want {
			t.Errorf("%s: OOMKilled %v, want %v", tt.script, st.OOMKilled, tt.want)
		}
	}
}

func TestTerminationOfTheMonitorStopsTheContainer(t *testing.T) {
	timeout := 1
	for _, tt := range []struct {
		script string
		signal int
		code   int
	}{
		{"trap 'exit 8' TERM", 0, 8},
		{"trap 'exit 9' INT", int(unix.SIGINT), 9},
		{"trap '' TERM", 0, 137},
	} {
		b := newBox(t, fake{Script: "trap : HUP; " + tt.script + "; echo up; while :; do sleep 0.01; done"})
		b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
		b.launch.StopSignal, b.launch.StopTimeout = tt.signal, &timeout
		s := b.start()
		eventually(t, "it runs", func() bool { data, _ := os.ReadFile(b.c.Log()); return len(data) > 0 })
		unix.Kill(s.Status().Monitor, unix.SIGHUP) // does nothing
		unix.Kill(s.Status().Monitor, unix.SIGTERM)
		if st, _, _ := b.run(s); st.ExitCode != tt.code || st.Phase != state.Exited {
			t.Errorf("%q: %s %d, want exited %d", tt.script, st.Phase, st.ExitCode, tt.code)
		}
		if _, err := os.Lstat(b.c.Desired()); err == nil {
			t.Error("a wish of the user was recorded")
		}
	}
}

func TestPausedIsRecorded(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	s := b.start()
	for _, yes := range []bool{true, true, false} {
		want := map[bool]state.Phase{true: state.Paused, false: state.Running}[yes]
		if err := b.dial().Paused(yes); err != nil {
			t.Fatal(err)
		}
		if got := b.status().Phase; got != want {
			t.Errorf("phase %s, want %s", got, want)
		}
	}
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	b.run(s)
	if _, err := monitorclient.Dial(b.c); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("dial after the end: %v", err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	b := newBox(t, fake{Script: "(sh -c 'echo $$; sleep 0.05' &) ; read x"})
	b.launch.OpenStdin, b.launch.Attach, b.launch.StdinOnce = true, everything, true
	s := b.start()
	var pid string
	eventually(t, "the orphan runs", func() bool {
		data, _ := os.ReadFile(b.c.Log())
		if len(data) == 0 {
			return false
		}
		pid = strings.TrimSpace(b.log())
		return pid != ""
	})
	eventually(t, "the orphan is reaped", func() bool { _, err := os.Lstat("/proc/" + pid); return err != nil })
	s.CloseStdin()
	b.run(s)
}

// Where the container has no pid namespace of its own, its other processes do
// not end with the first.
func TestWhatIsLeftInTheCgroupsIsKilled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make cgroups")
	}
	for _, root := range []string{"/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, "skiff-test-"+itoa(os.Getpid())+"-"+strings.Repeat("ab", 32))
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		b := newBox(t, fake{
			Script:   "echo $$ > " + dir + "/cgroup.procs; sleep 61 & sleep 61 & echo $!; exit 0",
			Teardown: state.Teardown{Cgroups: []string{dir}},
		})
		b.launch.Attach = everything
		st, out, _ := b.run(b.start())
		if st.ExitCode != 0 || st.Error != "" {
			t.Errorf("%s: status %+v", root, st)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
		if _, err := os.Lstat("/proc/" + strings.TrimSpace(out)); err == nil {
			t.Errorf("%s: process %s is left", root, out)
		}
	}
}

// On a full disk the final record cannot be made beside the old one.
func TestTheEndIsRecordedOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	b := newBox(t, fake{Script: "exit 0"})
	if err := unix.Mount("tmpfs", b.c.Data, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(b.c.Data, unix.MNT_DETACH) })
	if err := os.WriteFile(b.c.Config(), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := "yes | dd of=" + b.c.Data + "/filler bs=4096 2>/dev/null; yes line | head -n 100000; exit 11"
	data := []byte(`{"script":"` + script + `"}`)
	if err := os.WriteFile(filepath.Join(b.fakeDir(), "fake.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	b.launch.Attach = everything
	st, out, _ := b.run(b.start())
	if st.ExitCode != 11 || len(out) != 500000 {
		t.Errorf("exit code %d, %d bytes of output", st.ExitCode, len(out))
	}
	if live := b.status(); live.ExitCode != 11 || live.Phase != state.Exited || live.Lost {
		t.Errorf("recorded %+v", live)
	}
}

func TestARestartIsPutOffWhileSomebodyHoldsTheContainer(t *testing.T) {
	b := newBox(t, fake{Script: "exit 1"})
	b.launch.Restart = state.RestartPolicy{Name: state.RestartAlways}
	b.start()
	var conn *monitorclient.Conn
	eventually(t, "it waits", func() bool {
		conn = b.dial()
		if conn.Hold() == nil {
			return true
		}
		conn.Close()
		return false
	})
	n := b.lines("starts")
	time.Sleep(time.Second << (n - 1)) // it would have waited a tenth to four tenths of that
	if got := b.lines("starts"); got != n {
		t.Errorf("%d starts while it was held, want none", got-n)
	}
	conn.Close()
	eventually(t, "it starts again", func() bool { return b.lines("starts") > n })
	if err := b.dial().Stop(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ends", func() bool { return !b.status().Phase.Active() })
	b.nothingRuns()
}
