package sandbox

import (
	"errors"
	"testing"
)

func TestExplainForeign(t *testing.T) {
	for _, c := range []struct {
		text, arg0, want string
		kind             error
	}{
		{"crun: executable file `nosuch` not found in $PATH: No such file or directory", "nosuch",
			`exec: "nosuch": executable file not found in $PATH`, ErrNotFound},
		{"crun: executable file `/no/such` not found in $PATH: No such file or directory", "/no/such",
			`exec: "/no/such": no such file or directory`, ErrNotFound},
		{"crun: open executable: Permission denied", "/etc/passwd", `exec: "/etc/passwd": permission denied`, ErrNotExecutable},
		{"crun: open executable: Operation not permitted", "/etc", `exec: "/etc": operation not permitted`, ErrNotExecutable},
		{"crun: exec container process `/bin/x`: Exec format error", "/bin/x", `exec: "/bin/x": exec format error`, ErrNotExecutable},
		{"crun: exec container process `/bin/x`: No such file or directory", "/bin/x", `exec: "/bin/x": no such file or directory`, ErrNotFound},
		{`runc: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH`, "nosuch",
			`exec: "nosuch": executable file not found in $PATH`, ErrNotFound},
		{"crun: executable file `other` not found in $PATH: No such file or directory", "nosuch",
			"cannot start the program: crun: executable file `other` not found in $PATH: No such file or directory", nil},
		{"crun: cannot set memory limit", "true", "cannot start the program: crun: cannot set memory limit", nil},
	} {
		err := explainForeign(errors.New(c.text), c.arg0)
		if err.Error() != c.want {
			t.Errorf("%s: got %q, want %q", c.text, err, c.want)
		}
		for _, kind := range []error{ErrNotFound, ErrNotExecutable} {
			if got := errors.Is(err, kind); got != (kind == c.kind) {
				t.Errorf("%s: is %q: %v", c.text, kind, got)
			}
		}
	}
}
