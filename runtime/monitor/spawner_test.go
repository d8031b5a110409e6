package monitor

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
)

// A check allocates nothing, since what is allocated once for each check is
// collected some day, and costs more memory than a monitor is to have.
func TestAHealthCheckAllocatesNothing(t *testing.T) {
	dir := t.TempDir()
	healthy := wire.Outcome{Status: state.HealthHealthy, Word: state.HealthHealthy}.ExitStatus()
	m := &monitor{
		// As the stage, a shell that is told how the check went; the verb and the
		// container's id are its $0 and $1.
		p:      wire.Prepare{ID: "box", Engine: []string{"/bin/sh", "-c", "exit " + strconv.Itoa(healthy)}},
		env:    os.Environ(),
		c:      dirs.Container{ID: "box", Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")},
		doing:  running,
		pid:    os.Getpid(),
		launch: []byte("{}"),
	}
	m.status.Phase = state.Running
	var err error
	if m.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(m.null)
	if m.loop, err = newLoop(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(m.loop.ep)
	m.health = newChecks(m, wire.Health{Config: state.Healthcheck{Interval: time.Millisecond}})
	defer m.health.forget()
	m.health.arm()
	check := func() {
		for m.health.pid == 0 {
			if err := m.loop.turn(); err != nil {
				t.Fatal(err)
			}
		}
		for m.health.pid != 0 {
			m.reap()
		}
		if m.health.last.Status != state.HealthHealthy {
			t.Fatalf("the check came to %+v", m.health.last)
		}
	}
	if n := testing.AllocsPerRun(50, check); n > 0 {
		t.Errorf("a check allocates %v times, want never", n)
	}
}

// What a program is started with is what it is to be started with.
func TestSpawner(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	script := `{ echo "$0 $1"; env | sort; ls -l /proc/$$/fd | sed -n 's/.* \([0-3]\) -> /\1 /p'; cat <&3; } >` + out
	m := &monitor{p: wire.Prepare{ID: "box", Engine: []string{"/bin/sh", "-c", script}}, env: []string{"A=b", "PATH=/bin:/usr/bin"}, null: null}
	s, err := newSpawner(m, "verb", []byte("text\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	pid, err := s.spawn()
	if err != nil {
		t.Fatal(err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || ws != 0 {
		t.Fatalf("it ended with %#x, %v", ws, err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := "verb box\nA=b\nPATH=/bin:/usr/bin\nPWD=" + cwd + "\n0 /dev/null\n1 " + out + "\n2 /dev/null\n3 /memfd:verb (deleted)\ntext\n"
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	bad := &monitor{p: wire.Prepare{Engine: []string{"/nosuch"}}, null: null}
	if s, err = newSpawner(bad, "verb", nil); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if pid, err = s.spawn(); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || spawnErrno(ws) != unix.ENOENT {
		t.Errorf("a program that is not there ended with %#x (%v), %v; want %v", ws, spawnErrno(ws), err, unix.ENOENT)
	}
}
