package monitor_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

func TestExitStatusIsReportedAndRecorded(t *testing.T) {
	for _, tt := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0}, {"exit 7", 7}, {"exit 255", 255},
		{"kill -9 $$", 137}, {"kill -15 $$", 143},
	} {
		t.Run(tt.script, func(t *testing.T) {
			b := newBox(t, fake{Script: tt.script})
			st, _, _ := b.run(b.start())
			if st.ExitCode != tt.code || st.Phase != state.Exited {
				t.Errorf("reported %s %d, want exited %d", st.Phase, st.ExitCode, tt.code)
			}
			b.nothingRuns()
			live := b.status()
			if live.ExitCode != tt.code || live.Phase != state.Exited || live.Lost || live.Error != "" {
				t.Errorf("recorded %+v, want exited %d", live, tt.code)
			}
		})
	}
}

func TestOutputReachesClientAndLogWholeAndInOrder(t *testing.T) {
	want := numbers(200000)
	for range 20 {
		b := newBox(t, fake{Script: "seq 1 200000"})
		b.launch.Attach = everything
		st, out, _ := b.run(b.start())
		if st.ExitCode != 0 || out != want {
			t.Fatalf("exit %d, %d bytes of output, want 0 and %d", st.ExitCode, len(out), len(want))
		}
		if log := b.log(); log != want {
			t.Fatalf("the log has %d bytes, want %d", len(log), len(want))
		}
	}
}

func TestStdoutAndStderrAreKeptApart(t *testing.T) {
	b := newBox(t, fake{Script: "echo out; echo err >&2; printf tail"})
	b.launch.Attach = everything
	_, out, errs := b.run(b.start())
	if out != "out\ntail" || errs != "err\n" {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	if log := b.log(); !strings.Contains(log, "tail") {
		t.Errorf("the log lacks the line without newline: %q", log)
	}
}

func TestStdinReachesTheProgramAndEnds(t *testing.T) {
	b := newBox(t, fake{Script: "cat; echo end"})
	b.launch.Attach, b.launch.OpenStdin, b.launch.StdinOnce = everything, true, true
	s := b.start()
	big := strings.Repeat("0123456789abcde\n", 64<<10) // 1 MiB
	go func() {
		s.WriteStdin([]byte(big))
		s.CloseStdin()
	}()
	_, out, _ := b.run(s)
	if out != big+"end\n" {
		t.Errorf("%d bytes came back, want %d", len(out), len(big)+4)
	}
}

func TestStdinOfAKilledLauncherEnds(t *testing.T) {
	b := newBox(t, fake{Script: "cat; exit 5"})
	b.launch.Attach, b.launch.OpenStdin, b.launch.StdinOnce = everything, true, true
	s := b.start()
	if err := s.WriteStdin([]byte("last words\n")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b.nothingRuns()
	if st := b.status(); st.ExitCode != 5 {
		t.Errorf("exit code %d, want 5", st.ExitCode)
	}
	if log := b.log(); log != "last words\n" {
		t.Errorf("log %q", log)
	}
}

func TestWithoutStdinTheProgramReadsNothing(t *testing.T) {
	b := newBox(t, fake{Script: "cat; echo end"})
	b.launch.Attach = everything
	if _, out, _ := b.run(b.start()); out != "end\n" {
		t.Errorf("output %q", out)
	}
}

func TestALauncherThatDiesDoesNotStopTheContainer(t *testing.T) {
	b := newBox(t, fake{Script: "seq 1 100000; exit 3"})
	b.launch.Attach = everything
	s := b.start()
	s.Close() // as the kernel does when it is killed
	b.nothingRuns()
	if st := b.status(); st.ExitCode != 3 || st.Lost {
		t.Errorf("status %+v, want exit 3", st)
	}
	if b.log() != numbers(100000) {
		t.Error("the log is not whole")
	}
}

func TestAKilledMonitorReadsAsLost(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60", Teardown: state.Teardown{Files: []string{"/nonexistent/x"}}})
	s := b.start()
	st := s.Status()
	defer unix.Kill(st.Pid, unix.SIGKILL)
	unix.Kill(st.Monitor, unix.SIGKILL)
	eventually(t, "the container reads as lost", func() bool { return b.status().Lost })
	live := b.status()
	if live.ExitCode != 137 || live.Phase != state.Exited || len(live.Teardown.Files) != 1 {
		t.Errorf("status %+v", live)
	}
}

func TestTwoClientsSeeTheSameOutput(t *testing.T) {
	b := newBox(t, fake{Script: "read x; seq 1 50000"})
	b.launch.Attach, b.launch.OpenStdin = everything, true
	one := b.start()
	two, err := b.dial().Attach(wire.Attach{Stdout: true, Stderr: true})
	if err != nil {
		t.Fatal(err)
	}
	if two.Status().Pid != one.Status().Pid {
		t.Errorf("attached to %d, want %d", two.Status().Pid, one.Status().Pid)
	}
	outs := make(chan string, 1)
	go func() {
		_, out, _ := b.run(two)
		outs <- out
	}()
	one.WriteStdin([]byte("go\n"))
	_, out1, _ := b.run(one)
	if out2 := <-outs; out1 != numbers(50000) || out1 != out2 {
		t.Errorf("%d and %d bytes", len(out1), len(out2))
	}
}

func TestASlowClientHoldsTheContainerBackAndLosesNothing(t *testing.T) {
	b := newBox(t, fake{Script: "read x; seq 1 200000"})
	b.launch.OpenStdin = true
	b.start()
	slow, err := b.dial().Attach(*everything)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := b.dial().Attach(wire.Attach{Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	slow.WriteStdin([]byte("go\n"))
	done := make(chan string, 1)
	go func() {
		_, out, _ := b.run(fast)
		done <- out
	}()
	select {
	case <-done:
		t.Fatal("the container ended though a client took nothing")
	case <-time.After(200 * time.Millisecond):
	}
	_, out, _ := b.run(slow)
	if out != numbers(200000) || <-done != out {
		t.Error("output is not whole")
	}
}

func TestASlowClientThatDiesHoldsNothingBack(t *testing.T) {
	b := newBox(t, fake{Script: "read x; seq 1 200000; exit 4"})
	b.launch.OpenStdin = true
	b.start()
	slow, err := b.dial().Attach(*everything)
	if err != nil {
		t.Fatal(err)
	}
	slow.WriteStdin([]byte("go\n"))
	wait := b.dial()
	eventually(t, "the log grows", func() bool { st, err := os.Stat(b.c.Log()); return err == nil && st.Size() > 0 })
	slow.Close()
	st, err := within(t, func() (state.Status, error) { return wait.Wait(context.Background()) })
	if err != nil || st.ExitCode != 4 {
		t.Fatalf("wait: %v, exit %d", err, st.ExitCode)
	}
	if b.log() != numbers(200000) {
		t.Error("the log is not whole")
	}
}

func TestTerminal(t *testing.T) {
	b := newBox(t, fake{Script: "stty size; read x; stty size; tty >/dev/null && echo yes"})
	b.launch.Terminal, b.launch.OpenStdin, b.launch.Attach = true, true, everything
	b.launch.Size = wire.Size{Rows: 11, Cols: 22}
	s := b.start()
	if err := s.Resize(wire.Size{Rows: 33, Cols: 44}); err != nil {
		t.Fatal(err)
	}
	s.WriteStdin([]byte("x\n"))
	_, out, _ := b.run(s)
	if !strings.Contains(out, "11 22") && !strings.Contains(out, "33 44") || !strings.HasSuffix(out, "33 44\r\nyes\r\n") {
		t.Errorf("output %q", out)
	}
}

func TestTerminalInputEnds(t *testing.T) {
	b := newBox(t, fake{Script: "cat"})
	b.launch.Terminal, b.launch.OpenStdin, b.launch.StdinOnce, b.launch.Attach = true, true, true, everything
	s := b.start()
	s.WriteStdin([]byte("hi\n"))
	s.CloseStdin()
	if _, out, _ := b.run(s); out != "hi\r\nhi\r\n" {
		t.Errorf("output %q", out)
	}
}

func TestDirectStreams(t *testing.T) {
	b := newBox(t, fake{Script: "echo hello; echo oops >&2"})
	b.launch.Direct, b.launch.Log.Driver = true, state.LogNone
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := b.startWith(nil, w, w)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	b.run(s)
	buf := make([]byte, 100)
	n, _ := r.Read(buf)
	if string(buf[:n]) != "hello\noops\n" {
		t.Errorf("output %q", buf[:n])
	}
	if n, err := r.Read(buf); n != 0 || err == nil {
		t.Errorf("the monitor kept the caller's stream open: %d %v", n, err)
	}
}

func TestFailedStart(t *testing.T) {
	for _, tt := range []struct {
		name      string
		f         fake
		code      int
		message   string
		teardowns int
	}{
		{"told", fake{Failure: &wire.Failure{Message: "no such program", Code: 127}}, 127, "no such program", 0},
		{"crashed early", fake{Crash: "early"}, 125, "panic: crashed early", 1},
		{"crashed after its report", fake{Crash: "reported"}, 125, "start stage", 1},
		{"crashed after go", fake{Crash: "late"}, 125, "start stage", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, tt.f)
			_, err := b.tryStart()
			var f wire.Failure
			if !errors.As(err, &f) || f.Code != tt.code || !strings.Contains(f.Message, tt.message) {
				t.Fatalf("error %v (%d), want %q (%d)", err, f.Code, tt.message, tt.code)
			}
			b.nothingRuns()
			st := b.status()
			if st.Phase != state.Created || st.Error != f.Message || st.ExitCode != tt.code || st.Lost {
				t.Errorf("status %+v", st)
			}
			if n := b.lines("teardowns"); n != tt.teardowns {
				t.Errorf("%d teardowns by the engine, want %d", n, tt.teardowns)
			}
		})
	}
}

func TestALogThatCannotBeOpenedFailsTheStart(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	b.launch.Log.Path = "/nonexistent/log"
	_, err := b.tryStart()
	if err == nil || !strings.Contains(err.Error(), "cannot open the log") {
		t.Fatalf("error %v", err)
	}
	b.nothingRuns()
	if st := b.status(); st.Phase != state.Created || st.Error != err.Error() {
		t.Errorf("status %+v", st)
	}
}

func TestASecondMonitorIsRefused(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	s := b.start()
	_, err := b.tryStart()
	if err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("error %v", err)
	}
	if st := b.status(); st.Phase != state.Running {
		t.Errorf("status %+v", st)
	}
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	b.run(s)
}

func TestTheNextStartMayComeAtOnce(t *testing.T) {
	b := newBox(t, fake{Script: "exit 2"})
	for range 10 {
		if st, _, _ := b.run(b.start()); st.ExitCode != 2 {
			t.Fatalf("exit code %d", st.ExitCode)
		}
	}
	if n := b.lines("starts"); n != 10 {
		t.Errorf("%d starts", n)
	}
}

func TestNothingOfTheCallerIsKept(t *testing.T) {
	b := newBox(t, fake{Script: "read x"})
	b.launch.OpenStdin, b.launch.StdinOnce, b.launch.Attach = true, true, everything
	s := b.start()
	pid := s.Status().Monitor
	out, err := exec.Command("ls", "-l", "/proc/"+itoa(pid)+"/fd").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "/pts/") || strings.Contains(string(out), "lock") {
		t.Errorf("open descriptors:\n%s", out)
	}
	if cwd, _ := os.Readlink("/proc/" + itoa(pid) + "/cwd"); cwd != "/" {
		t.Errorf("working directory %q", cwd)
	}
	if sid, _ := unix.Getsid(pid); sid != pid {
		t.Errorf("session %d, want %d", sid, pid)
	}
	s.CloseStdin()
	b.run(s)
}

// A program that ends at once may be reaped before its start stage.
func TestShortLivesAreNotMissed(t *testing.T) {
	b := newBox(t, fake{Script: "exit 3"})
	for range 300 {
		if st, _, _ := b.run(b.start()); st.ExitCode != 3 {
			t.Fatalf("exit code %d", st.ExitCode)
		}
	}
}

func TestWarningsReachTheLauncher(t *testing.T) {
	b := newBox(t, fake{Script: "exit 0", Warnings: []string{"no swap limit"}})
	s := b.start()
	if w := s.Warnings(); len(w) != 1 || w[0] != "no swap limit" {
		t.Errorf("warnings %q", w)
	}
	b.run(s)
}
