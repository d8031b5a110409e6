package sandbox_test

import (
	"errors"
	"testing"

	"skiff/runtime/sandbox"
)

func TestExitStatusIsTheProgramsOwn(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 0} {
		_, code := newBox(t, "sh", "-c", script).run()
		if code != want {
			t.Errorf("%q: status %d, want %d", script, code, want)
		}
	}
}

func TestProgramThatCannotStart(t *testing.T) {
	for _, c := range []struct {
		program string
		kind    error
		text    string
	}{
		{"nonsense", sandbox.ErrNotFound, `exec: "nonsense": executable file not found in $PATH`},
		{"/bin/nonsense", sandbox.ErrNotFound, `exec: "/bin/nonsense": no such file or directory`},
		{"/etc/plain", sandbox.ErrNotExecutable, `exec: "/etc/plain": permission denied`},
		{"/etc", sandbox.ErrNotExecutable, `exec: "/etc": is a directory`},
	} {
		_, err := newBox(t, c.program).create()
		if !errors.Is(err, c.kind) || err.Error() != c.text {
			t.Errorf("%s: got %v, want %s", c.program, err, c.text)
		}
	}
}
