package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
	"skiff/state/dirs"
)

// box is one container with a fake start stage, in directories of its own.
type box struct {
	t       testing.TB
	store   *state.Store
	c       dirs.Container
	launch  wire.Launch
	engine  []string
	program string
	orphan  bool
}

func newBox(t testing.TB, f fake) *box {
	t.Helper()
	dir := t.TempDir()
	store, err := state.Open(dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("0123456789abcdef", 4)
	cfg := &state.Config{Version: state.ConfigVersion, ID: id, Name: "box"}
	if err := store.Create(cfg); err != nil {
		t.Fatal(err)
	}
	c := store.Roots.Container(id)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	fakes := t.TempDir()
	if err := os.WriteFile(filepath.Join(fakes, "fake.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, store: store, c: c, program: self, engine: []string{self, fakeName, fakes}}
	b.launch = wire.Launch{
		ID: id, Name: "box", DataDir: c.Data, RunDir: c.Run, NameFile: store.Roots.Name("box"),
		BootID: store.BootID,
		Log:    state.LogConfig{Driver: state.LogJSONFile, Path: c.Log(), MaxSize: -1},
	}
	t.Cleanup(func() { b.waitNoMonitor() })
	return b
}

// fakeDir is where the fake keeps its files.
func (b *box) fakeDir() string { return b.engine[2] }

// lines counts the lines of one of the fake's files.
func (b *box) lines(name string) int {
	data, _ := os.ReadFile(filepath.Join(b.fakeDir(), name))
	return bytes.Count(data, []byte("\n"))
}

var everything = &wire.Attach{Stdin: true, Stdout: true, Stderr: true}

// start starts the container; the start has to succeed.
func (b *box) start() *monitorclient.Session {
	b.t.Helper()
	s, err := b.tryStart()
	if err != nil {
		b.t.Fatalf("start: %v", err)
	}
	b.t.Cleanup(func() { s.Close() })
	return s
}

func (b *box) tryStart() (*monitorclient.Session, error) { return b.startWith(nil, nil, nil) }

func (b *box) startWith(stdin, stdout, stderr *os.File) (*monitorclient.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o := monitorclient.StartOptions{Stdin: stdin, Stdout: stdout, Stderr: stderr}
	if os.Geteuid() != 0 {
		o.Spawn = spawnInUserNamespace
	}
	m, err := monitorclient.Prepare(b.program, b.launch.Name, wire.Prepare{ID: b.launch.ID, Engine: b.engine, Orphan: b.orphan}, o)
	if err != nil {
		return nil, err
	}
	return m.Launch(ctx, b.launch)
}

// spawnInUserNamespace lets the tests run without root: the monitor needs to be
// root somewhere to make mount namespaces.
func spawnInUserNamespace(program string, argv, env []string, files []*os.File) (int, error) {
	p, err := os.StartProcess(program, argv, &os.ProcAttr{Dir: "/", Env: env, Files: files, Sys: &syscall.SysProcAttr{
		Setsid: true, Cloneflags: unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}})
	if err != nil {
		return 0, err
	}
	pid := p.Pid
	return pid, p.Release()
}

// run copies a session's output until the container's end.
func (b *box) run(s *monitorclient.Session) (state.Status, string, string) {
	b.t.Helper()
	var out, errs bytes.Buffer
	st, err := within(b.t, func() (state.Status, error) { return s.Run(&out, &errs) })
	if err != nil {
		b.t.Fatalf("run: %v (stdout %q, stderr %q)", err, out.String(), errs.String())
	}
	return st, out.String(), errs.String()
}

// within fails the test if f takes too long.
func within[T any](t testing.TB, f func() (T, error)) (T, error) {
	t.Helper()
	type result struct {
		v   T
		err error
	}
	ch := make(chan result, 1)
	go func() {
		v, err := f()
		ch <- result{v, err}
	}()
	select {
	case r := <-ch:
		return r.v, r.err
	case <-time.After(30 * time.Second):
		t.Fatal("took more than 30 s")
		panic("unreachable")
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func (b *box) dial() *monitorclient.Conn {
	b.t.Helper()
	c, err := monitorclient.Dial(b.c)
	if err != nil {
		b.t.Fatalf("dial: %v", err)
	}
	return c
}

func (b *box) status() state.Live {
	b.t.Helper()
	st, err := b.store.Status(b.c.ID)
	if err != nil {
		b.t.Fatalf("status: %v", err)
	}
	return st
}

// waitNoMonitor ends the monitor if there is one and waits until it is gone.
func (b *box) waitNoMonitor() {
	if st, err := b.store.Status(b.c.ID); err == nil && st.Phase.Active() && st.Monitor > 0 {
		if st.Pid > 0 {
			unix.Kill(st.Pid, unix.SIGKILL)
		}
		unix.Kill(st.Monitor, unix.SIGTERM)
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Lstat(b.c.Run); err != nil {
				return
			}
		}
	}
}

// log is the text of the log of both streams.
func (b *box) log() string {
	b.t.Helper()
	data, err := os.ReadFile(b.c.Log())
	if err != nil {
		b.t.Fatal(err)
	}
	var text strings.Builder
	for line := range bytes.Lines(data) {
		var r struct{ Log, Stream, Time string }
		if err := json.Unmarshal(line, &r); err != nil {
			b.t.Fatalf("log line %q: %v", line, err)
		}
		text.WriteString(r.Log)
	}
	return text.String()
}

// nothingRuns fails if a file of the run is left.
func (b *box) nothingRuns() {
	b.t.Helper()
	eventually(b.t, "the run directory is gone", func() bool {
		_, err := os.Lstat(b.c.Run)
		return errors.Is(err, os.ErrNotExist)
	})
}

func numbers(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func itoa(n int) string { return strconv.Itoa(n) }
