package wire_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

func TestAnOutcomeIsAnExitStatus(t *testing.T) {
	words := []string{"", state.HealthStarting, state.HealthHealthy, state.HealthUnhealthy}
	seen := map[int]bool{}
	for _, status := range words {
		for _, word := range words {
			for i := range 4 {
				o := wire.Outcome{Status: status, Word: word, Act: i&1 != 0, StartupPassed: i&2 != 0}
				n := o.ExitStatus()
				if got, ok := wire.ParseOutcome(n); !ok || got != o {
					t.Errorf("%+v is %d, which is %+v, %v", o, n, got, ok)
				}
				if seen[n] {
					t.Errorf("%d is two outcomes", n)
				}
				seen[n] = true
			}
		}
	}
	for n := range 256 {
		if _, ok := wire.ParseOutcome(n); ok != seen[n] {
			t.Errorf("%d is an outcome: %v, want %v", n, ok, seen[n])
		}
	}
	for _, n := range []int{0, 1, 2, 125, 126, 127, 255} {
		if seen[n] {
			t.Errorf("%d is an outcome, and how programs fail", n)
		}
	}
}

func TestACheckIsReadAsItWasWritten(t *testing.T) {
	want := wire.Check{Pid: 7, StartedAt: time.Now().UTC(), OpenFiles: 1024, Launch: wire.Launch{
		ID: "x", Name: "\"\\\n", Health: &wire.Health{Config: state.Healthcheck{Test: []string{"CMD", "true"}}, Check: json.RawMessage(`"x"`)},
	}}
	launch, err := json.Marshal(want.Launch)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("check", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, wire.CheckText(&want, launch)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the offset is shared
		got, err := wire.ReadCheck(fd)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	}
	for _, text := range []string{"", "{", `{"pid":1,"launch":{}}`} {
		if err := unix.Ftruncate(fd, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Pwrite(fd, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if c, err := wire.ReadCheck(fd); err == nil {
			t.Errorf("%q is %+v, want an error", text, c)
		}
	}
}
