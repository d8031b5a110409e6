package steps

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/libpod/settings"
	"skiff/rootfs/imagecall"
	"skiff/state/jsonfile"
)

// processes finds those whose command line or environment has the bench's
// directory in it, besides this one.
func (b *bench) processes(match func(cmdline string) bool) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		data, err := os.ReadFile(dir + "/cmdline")
		var pid int
		fmt.Sscanf(filepath.Base(dir), "%d", &pid)
		if err == nil && pid != os.Getpid() && match(strings.ReplaceAll(string(data), "\x00", " ")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// left says what there is of containers.
func (b *bench) left() (out []string) {
	for _, dir := range []string{
		filepath.Join(b.roots.Builds(), "containers"), b.roots.Runs(), b.roots.Sandboxes(), b.roots.BuildSecrets(),
	} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	suffix := libpod.CgroupPrefix(b.roots)
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + suffix)
	if dir := "/sys/fs/cgroup/" + suffix; jsonfile.Exists(dir) {
		groups = append(groups, dir)
	}
	out = append(out, groups...)
	links, _ := net.Interfaces() // /sys/class/net would show the host's
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 {
			out = append(out, "link "+l.Name)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, b.dir) {
			out = append(out, "mount "+line)
		}
	}
	for _, pid := range b.processes(func(c string) bool { return strings.Contains(c, b.dir) }) {
		out = append(out, fmt.Sprintf("process %d", pid))
	}
	return out
}

// nothingLeft waits until nothing is left, after what the next command repairs.
func (b *bench) nothingLeft() {
	b.t.Helper()
	e, err := libpod.Open(libpod.Options{Roots: b.roots}, settings.Settings{})
	b.must(err)
	deadline := time.Now().Add(20 * time.Second)
	for {
		if err := e.Collect(b.t.Context()); err != nil && b.t.Context().Err() == nil {
			b.t.Errorf("collect: %v", err)
		}
		left := b.left()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.t.Errorf("left: %s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// forever is a step that tells when it runs and does not end.
func (b *bench) forever() (s imagecall.Step, mark string) {
	dir, err := os.MkdirTemp(b.dir, "mark")
	b.must(err)
	s = b.step("touch /mark/on; while :; do sleep 1; touch /made; done")
	s.Mounts = []imagecall.Mount{{Target: "/mark", Source: dir}}
	return s, filepath.Join(dir, "on")
}

func (b *bench) awaitFile(path string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !jsonfile.Exists(path); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s does not appear", path)
		}
	}
}

// interrupted runs a step without end, does kill to the command when it runs, and
// sees that nothing is left of it, without another command's help where own.
func (b *bench) interrupted(kill func(*exec.Cmd), own bool) {
	b.t.Helper()
	s, mark := b.forever()
	var out bytes.Buffer
	cmd, _ := b.command(script{Steps: []imagecall.Step{s}}, &out)
	b.must(cmd.Start())
	b.awaitFile(mark)
	kill(cmd)
	cmd.Wait()
	if own {
		for deadline := time.Now().Add(20 * time.Second); len(b.left()) > b.shared(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.t.Errorf("left without a further command: %s; output %s", strings.Join(b.left(), "\n"), &out)
				break
			}
		}
	}
	b.nothingLeft()
}

// shared is how much of left is what containers share: bridge and cgroup parent,
// which the next command collects.
func (b *bench) shared() (n int) {
	for _, l := range b.left() {
		if strings.HasPrefix(l, "link sk") || strings.HasPrefix(l, "/sys/fs/cgroup") {
			n++
		}
	}
	return n
}

func (b *bench) tools() []int {
	exe, err := os.Executable()
	b.must(err)
	return b.processes(func(c string) bool { return strings.TrimSpace(c) == exe })
}

func TestTheEndOfEitherSideEndsTheStep(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name string
		kill func(*exec.Cmd)
	}{
		{"SIGKILL of the command", func(cmd *exec.Cmd) { cmd.Process.Kill() }},
		{"SIGINT of the command", func(cmd *exec.Cmd) { cmd.Process.Signal(unix.SIGINT) }},
		{"SIGKILL of the tool", func(*exec.Cmd) {
			pids := b.tools()
			if len(pids) != 1 {
				t.Errorf("tools: got %v, want one", pids)
			}
			for _, pid := range pids {
				unix.Kill(pid, unix.SIGKILL)
			}
		}},
		{"SIGKILL of both", func(cmd *exec.Cmd) {
			for _, pid := range b.tools() {
				unix.Kill(pid, unix.SIGKILL)
			}
			cmd.Process.Kill()
		}},
	} {
		t.Log(c.name)
		b.interrupted(c.kill, true)
	}
}

func TestAKilledMonitorIsRepaired(t *testing.T) {
	b := newBench(t)
	monitors := func() []int {
		return b.processes(func(c string) bool { return strings.HasPrefix(c, "skiff-monitor ") })
	}
	b.interrupted(func(cmd *exec.Cmd) {
		for _, pid := range monitors() {
			unix.Kill(pid, unix.SIGKILL)
		}
	}, false)
	b.interrupted(func(cmd *exec.Cmd) {
		cmd.Process.Kill()
		for _, pid := range monitors() {
			unix.Kill(pid, unix.SIGKILL)
		}
	}, false)
}

// TestKilledAtAnyMoment kills the command while steps begin and end.
func TestKilledAtAnyMoment(t *testing.T) {
	b := newBench(t)
	begun := time.Now()
	b.ok(b.step("true"))
	usual := time.Since(begun)
	for i := range 20 {
		var out bytes.Buffer
		cmd, _ := b.command(script{Steps: []imagecall.Step{b.step("true"), b.step("true"), b.step("true")}, Together: i%2 == 0}, &out)
		b.must(cmd.Start())
		time.Sleep(usual * time.Duration(i) / 12)
		cmd.Process.Kill()
		cmd.Wait()
	}
	b.nothingLeft()
}

// TestNoListShowsSteps: a step that runs is nobody's container.
func TestNoListShowsSteps(t *testing.T) {
	b := newBench(t)
	e, err := libpod.Open(libpod.Options{Roots: b.roots}, settings.Settings{})
	b.must(err)
	b.interrupted(func(cmd *exec.Cmd) {
		list, err := e.ContainerList(libpod.ListOptions{All: true})
		if err != nil || len(list) != 0 {
			t.Errorf("ps -a: got %v, %v; want nothing", list, err)
		}
		steps, _ := os.ReadDir(filepath.Join(b.roots.Builds(), "containers"))
		if len(steps) != 1 {
			t.Fatalf("steps: got %v, want one", steps)
		}
		id := steps[0].Name()
		for _, ref := range []string{id, id[:12]} {
			if _, err := e.Store.Find(ref); err == nil {
				t.Errorf("%s is found", ref)
			}
		}
		if ids, err := e.Select(libpod.Selection{All: true}); err != nil || len(ids) != 0 {
			t.Errorf("rm -a: got %v, %v; want nothing", ids, err)
		}
		if err := e.Collect(t.Context()); err != nil {
			t.Errorf("prune: %v", err)
		}
		if again, _ := os.ReadDir(filepath.Join(b.roots.Builds(), "containers")); len(again) != 1 {
			t.Errorf("a prune took the step away that runs")
		}
		cmd.Process.Signal(unix.SIGTERM)
	}, true)
}
