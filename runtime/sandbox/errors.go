package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Why a program did not start. The errors of Create and Exec wrap them.
var (
	// ErrNotFound: there is no such program in the container. Exit status 127.
	ErrNotFound = errors.New("executable file not found")
	// ErrNotExecutable: it is there and cannot be executed. Exit status 126.
	ErrNotExecutable = errors.New("not executable")
	// ErrRuntimeFlag: the OCI runtime does not take an option that it was given. Exit
	// status 126, as in Podman.
	ErrRuntimeFlag = errors.New("unknown flag")
	// ErrNotRunning: the container has no first process any more.
	ErrNotRunning = errors.New("container is not running")
)

// ProgramError says which program could not be started and why.
type ProgramError struct {
	Program string
	Reason  string
	kind    error
}

func (e *ProgramError) Error() string { return fmt.Sprintf("exec: %q: %s", e.Program, e.Reason) }

// Unwrap gives ErrNotFound or ErrNotExecutable.
func (e *ProgramError) Unwrap() error { return e.kind }

// shorten drops the links of libcontainer's error chain that say the same
// thing again.
func shorten(err error) error {
	text := err.Error()
	for _, link := range []string{
		"unable to start container process: ",
		"error during container init: ",
		"error starting setns process: ",
		"error executing setns process: ",
		"unable to apply cgroup configuration: ",
	} {
		text = strings.Replace(text, link, "", 1)
	}
	return &startError{text: "cannot start the program: " + text, err: err}
}

// startError is libcontainer's error with a shorter text.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return e.text }
func (e *startError) Unwrap() error { return e.err }
