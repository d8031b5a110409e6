package health

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

type shell struct{ *exec.Cmd }

func (s shell) Pid() int { return s.Process.Pid }

func (s shell) Wait() (int, error) {
	s.Cmd.Wait()
	return s.ProcessState.ExitCode(), nil
}

func runShell(command json.RawMessage, out *os.File) (Program, error) {
	if len(command) == 0 {
		return nil, errors.New("no such thing")
	}
	cmd := exec.Command("/bin/sh", "-c", string(command))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return shell{cmd}, cmd.Start()
}

func TestResults(t *testing.T) {
	for name, tt := range map[string]struct {
		command string
		config  state.Healthcheck
		code    int
		output  string
	}{
		"both streams in their order":      {command: "echo a; echo b >&2; echo c; exit 3", code: 3, output: "a\nb\nc\n"},
		"what a pipe does not hold":        {command: "seq 1 100000", config: state.Healthcheck{MaxLogSize: 7}, output: "1\n2\n3\n4"},
		"cut off between characters":       {command: "printf aé", config: state.Healthcheck{MaxLogSize: 2}, output: "a"},
		"cut off at the usual size":        {command: "printf %05000d 0", output: strings.Repeat("0", state.HealthOutputSize) + cutMark},
		"what it left behind is no matter": {command: "sleep 1000 & echo $!", code: 0},
		"too long":                         {command: "echo begun; sleep 1000 & wait", config: state.Healthcheck{Timeout: 100 * time.Millisecond}, code: -1, output: "Health check exceeded timeout (100ms): begun\n"},
		"not to be run":                    {code: -1, output: "cannot run the health check: no such thing"},
	} {
		t.Run(name, func(t *testing.T) {
			o, at := newCheck(t, tt.config)
			o.Launch.Health.Check = json.RawMessage(tt.command)
			began := time.Now()
			Run(o, runShell)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			got := load(at).Log[0]
			if pid := atoi(got.Output); strings.Contains(tt.command, "$!") && pid > 0 {
				unix.Kill(pid, unix.SIGKILL)
				got.Output = ""
			}
			if got.ExitCode != tt.code || got.Output != tt.output {
				t.Errorf("got %d %q, want %d %q", got.ExitCode, got.Output, tt.code, tt.output)
			}
		})
	}
}

func atoi(s string) (n int) {
	json.Unmarshal([]byte(s), &n)
	return n
}

// What takes too long ends with all that it started.
func TestNothingIsLeftOfWhatTakesTooLong(t *testing.T) {
	o, _ := newCheck(t, state.Healthcheck{Timeout: 200 * time.Millisecond})
	pids := filepath.Join(t.TempDir(), "pids")
	o.Launch.Health.Check = json.RawMessage(`sh -c 'echo $$; setsid sleep 1000 & echo $!; wait' >` + pids + ` & wait`)
	Run(o, runShell)
	data, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(data))
	if len(lines) != 2 {
		t.Fatalf("it began %q", lines)
	}
	for _, line := range lines {
		for deadline := time.Now().Add(10 * time.Second); unix.Kill(atoi(line), 0) == nil && !zombie(line); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %s is left", line)
			}
		}
	}
}

func zombie(pid string) bool {
	data, _ := os.ReadFile("/proc/" + pid + "/stat")
	return strings.Contains(string(data), ") Z ")
}

// A check of a container that has ended says nothing.
func TestTheContainersEndIsNoResult(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	o, at := newCheck(t, state.Healthcheck{})
	o.Pid = cmd.Process.Pid // it is a zombie soon
	o.Launch.Health.Check = json.RawMessage("sleep 0.2")
	if out := Run(o, runShell); out != (wire.Outcome{}) {
		t.Errorf("got %+v, want nothing", out)
	}
	if rec := load(at); len(rec.Log) != 0 {
		t.Errorf("the record is %+v, want none", rec)
	}
	if Exiting(os.Getpid()) {
		t.Error("this process is said to end")
	}
}
