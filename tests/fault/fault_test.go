// Package fault kills skiff's processes at random moments and asserts that the
// next commands tell the truth, repair, and leave nothing.
package fault

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kills is how many processes of each kind are killed. SKIFF_FAULTS overrides
// it for a long look.
const kills = 25

func times(t *testing.T) int {
	text := os.Getenv("SKIFF_FAULTS")
	if text == "" {
		return kills
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// victim finds the processes to kill while the command runs.
type victim func(b *bench, command *os.Process) []int

func TestKilledWhileStarting(t *testing.T) {
	b := newBench(t)
	command := func(_ *bench, p *os.Process) []int { return []int{p.Pid} }
	monitor := func(b *bench, _ *os.Process) []int { return b.monitors() }
	stage := func(b *bench, _ *os.Process) []int { return b.stages() }
	any := func(b *bench, p *os.Process) []int { return append(append(b.monitors(), b.stages()...), p.Pid) }
	all := []string{"busybox", "sleep", "1000"}
	for _, c := range []struct {
		name string
		args []string
		who  victim
		// every kills all of them at the same moment, not one.
		every bool
	}{
		{"the command, run -d", []string{"-d", "-p", "8080"}, command, false},
		{"the command, run --rm", []string{"--rm", "-p", "8080"}, command, false},
		{"the monitor", []string{"-d", "-p", "8080"}, monitor, false},
		{"the monitor of one with --rm", []string{"--rm", "-v", "/data"}, monitor, false},
		{"the stages", []string{"-d", "-p", "8080"}, stage, false},
		{"any process", []string{"-d", "-p", "8080"}, any, false},
		{"all processes", []string{"-d", "-p", "8080"}, any, true},
	} {
		// No subtests: they would run on another thread, outside the namespace.
		args := append(append([]string{"run"}, c.args...), all...)
		usual := b.duration(args)
		seed := uint64(time.Now().UnixNano())
		t.Logf("%s: seed %d, usual duration %s", c.name, seed, usual)
		random := rand.New(rand.NewPCG(seed, 0))
		for range times(t) {
			b.killDuring(args, time.Duration(random.Int64N(int64(usual)*5/4)), c.who, c.every, random)
		}
		b.truth()
		b.nothingLeft()
	}
}

// TestKilledWhileRunning: what has run for a while loses its monitor or its
// first process.
func TestKilledWhileRunning(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.ok("run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sleep", "1000")
		for _, pid := range b.monitors() {
			kill(pid)
		}
		if got := b.ok("ps", "-a", "--format", "{{.Names}} {{.State}}"); got != "box exited\n" {
			t.Errorf("ps after the monitor was killed: %q", got)
		}
		b.truth()
		b.ok("start", "box")
		pid, err := strconv.Atoi(strings.TrimSpace(b.ok("inspect", "--format", "{{.State.Pid}}", "box")))
		if err != nil {
			t.Fatal(err)
		}
		kill(pid)
		if got := b.ok("wait", "box"); got != "137\n" {
			t.Errorf("wait after the first process was killed: %q", got)
		}
		b.nothingLeft()
	}
}

// TestKilledRemoval: a removal that is killed is finished by the next one.
func TestKilledRemoval(t *testing.T) {
	b := newBench(t)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range times(t) {
		b.ok("run", "-d", "-p", "8080", "busybox", "sleep", "1000")
		b.killDuring([]string{"rm", "-af", "-t", "0"}, time.Duration(random.Int64N(int64(60*time.Millisecond))),
			func(b *bench, p *os.Process) []int { return append(b.monitors(), p.Pid) }, false, random)
		b.truth()
	}
	b.nothingLeft()
}

// killDuring runs a command and after a while kills one of the victims, or
// every one. The command must end.
func (b *bench) killDuring(args []string, after time.Duration, who victim, every bool, random *rand.Rand) {
	b.t.Helper()
	cmd := b.command(args...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(after)
	pids := who(b, cmd.Process)
	if len(pids) > 0 && !every {
		pids = pids[:1]
		if all := who(b, cmd.Process); len(all) > 0 {
			pids = []int{all[random.IntN(len(all))]}
		}
	}
	for _, pid := range pids {
		kill(pid)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	foreground := !slices.Contains(args, "-d") && args[0] == "run"
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
		if foreground { // it was not hit, or not what it waits for
			cmd.Process.Kill()
		}
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		b.t.Errorf("%s hangs after a kill", strings.Join(args, " "))
		<-done
	}
}

// truth asserts that what ps calls running runs, and that nothing else does.
func (b *bench) truth() {
	b.t.Helper()
	b.settle()
	for line := range strings.Lines(b.ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}")) {
		f := strings.Fields(line)
		if len(f) != 2 {
			b.t.Fatalf("ps prints %q", line)
		}
		switch id, state := f[0], f[1]; state {
		case "running", "stopping":
			b.runs(id)
		case "restarting":
			if len(b.monitors()) == 0 && strings.Contains(b.ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}"), line) {
				b.t.Errorf("container %s is %s, but nobody will restart it", id, state)
			}
		case "created", "exited", "removing": // the last until another command goes on with it
			if members := members(id); len(members) > 0 {
				b.t.Errorf("container %s is %s, but runs: %v", id, state, members)
			}
		default:
			b.t.Errorf("container %s is %s", id, state)
		}
	}
}

// runs asserts that a program can be run in a container, or that its end was
// under way and is recorded soon, or its next start is waited for.
func (b *bench) runs(id string) {
	b.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		out, err := b.command("exec", id, "true").CombinedOutput()
		if err == nil {
			return
		}
		now := b.ok("ps", "--no-trunc", "--format", "{{.ID}} {{.State}}")
		if !strings.Contains(now, id) || strings.Contains(now, id+" restarting") && len(b.monitors()) > 0 {
			return
		}
		if time.Now().After(deadline) {
			b.t.Errorf("container %s is running, but exec: %v: %s", id, err, out)
			return
		}
	}
}

// settle waits until no start or end is under way.
func (b *bench) settle() {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(b.stages()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("processes of skiff do not end: %v", b.stages())
		}
	}
}

// members are the processes in the container's cgroups.
func members(id string) (pids []string) {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/*/" + id)
	more, _ := filepath.Glob("/sys/fs/cgroup/*/" + id)
	for _, dir := range append(dirs, more...) {
		data, _ := os.ReadFile(dir + "/cgroup.procs")
		pids = append(pids, strings.Fields(string(data))...)
	}
	return pids
}

// monitors are the processes that run this bench's monitor.
func (b *bench) monitors() []int {
	return processes(func(exe, _ string) bool { return strings.HasPrefix(exe, b.top+"/data/programs/monitor") })
}

// stages are skiff's own processes but for the command: stages, and
// libcontainer's init before it has become the container's program.
func (b *bench) stages() []int {
	return processes(func(exe, cmdline string) bool {
		return exe == b.skiff && (strings.Contains(cmdline, b.top+"/data") && strings.Contains(cmdline, "@internal") || cmdline == b.skiff+" init")
	})
}

func processes(match func(exe, cmdline string) bool) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink("/proc/" + e.Name() + "/exe")
		if err != nil {
			continue
		}
		data, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if match(exe, strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill sends SIGKILL to a process that was seen a moment ago, and waits until it
// is dead.
func kill(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
}

// ok runs a command that must succeed and gives its output.
func (b *bench) ok(args ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.skiff, append(b.roots(), args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = b.env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("skiff %s: %v: %s", strings.Join(args, " "), errors.Join(err, ctx.Err()), stderr.String())
	}
	return stdout.String()
}
