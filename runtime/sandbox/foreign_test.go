package sandbox_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
	"skiff/state"
)

func TestAnotherRuntime(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc")
	}
	with := func(args ...string) *box {
		b := newBox(t, args...)
		b.opts.Runtime = runc
		return b
	}
	if out, code := with("sh", "-c", "echo hi; exit 7").run(); out != "hi\n" || code != 7 {
		t.Errorf("got %q, status %d", out, code)
	}
	for program, kind := range map[string]error{"nonsense": sandbox.ErrNotFound, "/etc/plain": sandbox.ErrNotExecutable} {
		if _, err := with(program).create(); !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", program, err, kind)
		}
	}
	b := with("sleep", "1000")
	sb := b.start()
	if len(sb.Cgroups()) == 0 {
		t.Error("it has no cgroups")
	}
	out, code, err := execIn(t, b, sandbox.ExecOptions{Args: []string{"sh", "-c", "id -u; pwd; exit 9"}, Cwd: "/etc", User: spec.User{UID: 1000}})
	if out != "1000\n/etc\n" || code != 9 || err != nil {
		t.Errorf("exec: got %q, status %d, %v", out, code, err)
	}
	ours, theirs := socketPair(t)
	p, err := sb.Exec(sandbox.ExecOptions{Args: []string{"sh", "-c", "tty; sleep 0.1"}, Env: []string{"PATH=/bin"}, ConsoleSocket: theirs})
	if err != nil {
		t.Fatal(err)
	}
	if text := readPty(receivePty(t, ours)); !strings.HasPrefix(text, "/dev/pts/") {
		t.Errorf("exec with a terminal: got %q", text)
	}
	p.Wait()
	if err := sb.Pause(); err != nil {
		t.Error(err)
	}
	if err := sb.Resume(); err != nil {
		t.Error(err)
	}
	if b.in.Host.Cgroup.Has("pids") {
		r, err := spec.Limits(state.Resources{PidsLimit: 44}, b.in.Host, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := sb.Update(r); err != nil {
			t.Error(err)
		}
		if st, err := sb.Stats(); err != nil || st.PidsLimit != 44 || st.Pids != 1 {
			t.Errorf("after the update: %+v, %v", st, err)
		}
	}
	if err := sb.Pause(); err != nil {
		t.Error(err)
	}
	// The clean-up has to end a paused container.
}
