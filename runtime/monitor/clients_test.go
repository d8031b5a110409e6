package monitor_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
	"skiff/state"
)

// idle starts a container that runs until the test ends.
func idle(t *testing.T) *box {
	b := newBox(t, fake{Script: "exec sleep 60"})
	s := b.start()
	pid := s.Status().Pid
	t.Cleanup(func() {
		unix.Kill(pid, unix.SIGKILL)
		b.nothingRuns()
	})
	return b
}

// raw connects without the client.
func (b *box) raw() int {
	b.t.Helper()
	dir, err := os.Open(b.c.Run)
	if err != nil {
		b.t.Fatal(err)
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "/proc/self/fd/" + itoa(int(dir.Fd())) + "/ctl.sock"}); err != nil {
		b.t.Fatal(err)
	}
	return fd
}

func header(k wire.Kind, size uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(k)}, size)
}

func TestHostileClientsDoNoHarm(t *testing.T) {
	b := idle(t)
	request := []byte(`{"op":"wait"}`)
	ask := append(header(wire.KindRequest, uint32(len(request))), request...)
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"garbage", bytes.Repeat([]byte("garbage "), 1000)},
		{"a frame that is too large", header(wire.KindRequest, 1<<31)},
		{"a request that is no JSON", append(header(wire.KindRequest, 3), "{{{"...)},
		{"an unknown request", append(header(wire.KindRequest, 12), `{"op":"bad"}`...)},
		{"stdin before a request", append(header(wire.KindStdin, 1), 'x')},
		{"an attach without streams", append(header(wire.KindRequest, 15), `{"op":"attach"}`...)},
		{"an exec of nothing", append(header(wire.KindRequest, 13), `{"op":"exec"}`...)},
		{"a second request", append(append([]byte{}, ask...), ask...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd := b.raw()
			defer unix.Close(fd)
			unix.SendmsgN(fd, tt.data, nil, nil, unix.MSG_NOSIGNAL)
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			if n, _ := unix.Poll(p, 5000); n == 0 {
				t.Error("the monitor keeps the connection")
			}
		})
	}
	before := rollup(t, b.status().Monitor, "Anonymous")
	var half []int
	for range 250 {
		fd := b.raw()
		unix.SendmsgN(fd, append(header(wire.KindRequest, 4<<20), "half"...), nil, nil, unix.MSG_NOSIGNAL)
		half = append(half, fd)
	}
	if err := b.dial().Reopen(); err != nil {
		t.Errorf("a good client is not served: %v", err)
	}
	if after := rollup(t, b.status().Monitor, "Anonymous"); after > before+2<<20 {
		t.Errorf("memory went from %d to %d bytes", before, after)
	}
	for _, fd := range half {
		unix.Close(fd)
	}
	if st := b.status(); st.Phase != state.Running {
		t.Errorf("phase %s", st.Phase)
	}
}

func TestAFrameMayComeInPieces(t *testing.T) {
	b := idle(t)
	fd := b.raw()
	defer unix.Close(fd)
	request := []byte(`{"op":"paused","paused":true}`)
	for _, c := range append(header(wire.KindRequest, uint32(len(request))), request...) {
		unix.Write(fd, []byte{c})
	}
	eventually(t, "the request is carried out", func() bool { return b.status().Phase == state.Paused })
}

func TestTheControlSocketIsTheOwners(t *testing.T) {
	b := idle(t)
	var st unix.Stat_t
	if err := unix.Lstat(b.c.Control(), &st); err != nil || st.Mode&0o777 != 0o600 {
		t.Errorf("mode %o, %v", st.Mode&0o777, err)
	}
}

func TestALongPathIsNoObstacle(t *testing.T) {
	b := newBox(t, fake{Script: "exec sleep 60"})
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	b.store.Roots.Run = deep
	b.c = b.store.Roots.Container(b.c.ID)
	b.launch.RunDir = b.c.Run
	s := b.start()
	if err := b.dial().Reopen(); err != nil {
		t.Error(err)
	}
	unix.Kill(s.Status().Pid, unix.SIGKILL)
	b.run(s)
	b.nothingRuns()
}

func spec(script string) json.RawMessage {
	data, _ := json.Marshal(script)
	return data
}

func TestExec(t *testing.T) {
	b := idle(t)
	for _, tt := range []struct {
		script, stdin, stdout, stderr string
		code                          int
	}{
		{"echo out; echo err >&2; exit 4", "", "out\n", "err\n", 4},
		{"cat; exit 5", "some input\n", "some input\n", "", 5},
		{"kill -9 $$", "", "", "", 137},
		{"seq 1 50000", "", numbers(50000), "", 0},
		{"sleep 30 & echo started", "", "started\n", "", 0},
	} {
		s, err := b.dial().Exec(wire.Exec{Spec: spec(tt.script), Attach: everything, OpenStdin: true})
		if err != nil {
			t.Fatalf("%s: %v", tt.script, err)
		}
		s.WriteStdin([]byte(tt.stdin))
		s.CloseStdin()
		st, out, errs := b.run(s)
		if st.ExitCode != tt.code || out != tt.stdout || errs != tt.stderr {
			t.Errorf("%s: exit %d, stdout %d bytes, stderr %q", tt.script, st.ExitCode, len(out), errs)
		}
	}
	if log, _ := os.ReadFile(b.c.Log()); len(log) > 0 {
		t.Errorf("what exec printed is in the log: %q", log)
	}
}

func TestExecWithATerminal(t *testing.T) {
	b := idle(t)
	s, err := b.dial().Exec(wire.Exec{
		Spec: spec("read x; stty size; exit 3"), Terminal: true, OpenStdin: true,
		Attach: everything, Size: wire.Size{Rows: 5, Cols: 6},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.WriteStdin([]byte("x\n"))
	if st, out, _ := b.run(s); st.ExitCode != 3 || !strings.HasSuffix(out, "5 6\r\n") {
		t.Errorf("exit %d, output %q", st.ExitCode, out)
	}
}

func TestExecThatFails(t *testing.T) {
	b := idle(t)
	_, err := b.dial().Exec(wire.Exec{Spec: spec("fail no such program"), Attach: everything})
	var f wire.Failure
	if !errors.As(err, &f) || f.Code != 127 || f.Message != "no such program" {
		t.Errorf("error %v", err)
	}
	_, err = b.dial().Exec(wire.Exec{Spec: json.RawMessage("7")})
	if !errors.As(err, &f) || f.Code != 125 {
		t.Errorf("error of a crashed stage: %v", err)
	}
}

func TestDetachedExecGoesOnAlone(t *testing.T) {
	b := idle(t)
	file := filepath.Join(t.TempDir(), "done")
	for _, terminal := range []bool{false, true} {
		s, err := b.dial().Exec(wire.Exec{Spec: spec("seq 1 20000; echo x >> " + file), Detach: true, Terminal: terminal})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	eventually(t, "both have run", func() bool { data, _ := os.ReadFile(file); return len(data) == 4 })
}

func TestTheContainersEndEndsExec(t *testing.T) {
	b := newBox(t, fake{Script: "read x; exit 2"})
	b.launch.OpenStdin, b.launch.Attach, b.launch.StdinOnce = true, everything, true
	s := b.start()
	x, err := b.dial().Exec(wire.Exec{Spec: spec("sleep 60"), Attach: everything})
	if err != nil {
		t.Fatal(err)
	}
	s.CloseStdin()
	if st, _, _ := b.run(s); st.ExitCode != 2 {
		t.Errorf("exit %d", st.ExitCode)
	}
	unix.Kill(x.Status().Pid, unix.SIGKILL) // as the end of the pid namespace would
	if st, _, _ := b.run(x); st.ExitCode != 137 {
		t.Errorf("exec's exit %d", st.ExitCode)
	}
}

func TestWaitCanBeGivenUp(t *testing.T) {
	b := idle(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.dial().Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestShortExecsAreNotMissed(t *testing.T) {
	b := idle(t)
	for range 300 {
		s, err := b.dial().Exec(wire.Exec{Spec: spec("exit 3"), Attach: everything})
		if err != nil {
			t.Fatal(err)
		}
		if st, _, _ := b.run(s); st.ExitCode != 3 {
			t.Fatalf("exit code %d", st.ExitCode)
		}
	}
}
