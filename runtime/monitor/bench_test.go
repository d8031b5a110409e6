package monitor_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// buildProgram builds the real monitor program.
func buildProgram(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "monitor")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./main")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	// Pages of a file that is not on the disk yet count as dirty.
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return path
}

// rollup reads one field of /proc/PID/smaps_rollup in bytes.
func rollup(t testing.TB, pid int, field string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/" + itoa(pid) + "/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if v, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			n, err := strconv.Atoi(string(bytes.Fields(v)[0]))
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no field %s", field)
	return 0
}

// maxIdle is the budget of an idle monitor in bytes of private memory.
const maxIdle = 1 << 20

func TestIdleMemory(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		checks int
	}{
		"quiet":          {script: "read x"},
		"after output":   {script: "seq 1 100000; read x"},
		"hundred checks": {script: "read x", checks: 100},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, fake{Script: c.script})
			b.program = buildProgram(t)
			if c.checks > 0 {
				b.checks("echo checked >>"+filepath.Join(b.fakeDir(), "checks"), state.Healthcheck{Interval: time.Millisecond})
			}
			b.launch.OpenStdin = true
			s := b.start()
			eventually(t, "so many checks", func() bool { return b.lines("checks") >= c.checks })
			pid := s.Status().Monitor
			if c.checks == 0 {
				time.Sleep(2500 * time.Millisecond) // what is measured is how it rests
			}
			dirty := rollup(t, pid, "Private_Dirty")
			tasks, _ := os.ReadDir("/proc/" + itoa(pid) + "/task")
			t.Logf("private dirty %d KiB, rss %d KiB, %d threads", dirty>>10, rollup(t, pid, "Rss")>>10, len(tasks))
			if dirty > maxIdle {
				t.Errorf("an idle monitor has %d bytes of its own, want at most %d", dirty, maxIdle)
			}
			unix.Kill(s.Status().Pid, unix.SIGKILL)
			b.run(s)
		})
	}
}

// BenchmarkRun is one whole life of a container that ends at once, with the
// fake start stage.
func BenchmarkRun(b *testing.B) {
	box := newBox(b, fake{Script: "exit 0"})
	box.program = buildProgram(b)
	box.launch.Log.Driver = state.LogNone
	for b.Loop() {
		box.run(box.start())
	}
}
