package sandbox

import (
	"fmt"
	"strings"
)

// explainForeign is explain for other runtimes: runc words what is wrong with a
// program as libcontainer does, crun in its own way.
func explainForeign(err error, arg0 string) error {
	text := err.Error()
	if strings.Contains(text, fmt.Sprintf("executable file `%s` not found", arg0)) {
		reason := "executable file not found in $PATH"
		if strings.Contains(arg0, "/") {
			reason = "no such file or directory"
		}
		return &ProgramError{Program: arg0, Reason: reason, kind: ErrNotFound}
	}
	for _, mark := range []string{"open executable: ", fmt.Sprintf("exec container process `%s`: ", arg0)} {
		i := strings.LastIndex(text, mark)
		if i < 0 {
			continue
		}
		reason, kind := strings.ToLower(strings.TrimSpace(text[i+len(mark):])), ErrNotExecutable
		if strings.HasPrefix(reason, "no such file or directory") {
			kind = ErrNotFound
		}
		return &ProgramError{Program: arg0, Reason: reason, kind: kind}
	}
	return explain(err, arg0)
}
