package process_test

import (
	"errors"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state/process"
)

func TestSignalReachesOnlyTheProcessThatWasMeant(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	start, err := process.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(pid, start+1, unix.SIGKILL); !errors.Is(err, process.ErrGone) {
		t.Errorf("a process of another start time: got %v, want ErrGone", err)
	}
	if err := process.Signal(pid, start, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal() != unix.SIGTERM {
		t.Errorf("ended with %v, want SIGTERM", err)
	}
	if err := process.Signal(pid, start, unix.SIGTERM); !errors.Is(err, process.ErrGone) {
		t.Errorf("an ended process: got %v, want ErrGone", err)
	}
	for _, bad := range []int{0, -1} {
		if _, err := process.Open(bad, 0); !errors.Is(err, process.ErrGone) {
			t.Errorf("Open(%d): got %v, want ErrGone", bad, err)
		}
	}
}
