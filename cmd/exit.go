package cmd

import (
	"errors"
	"fmt"

	"skiff/libpod/attach"
	"skiff/runtime/wire"
	"skiff/state"
)

// Exit codes of skiff itself. Everything else is a container's own.
const (
	exitOK       = 0
	exitSome     = 1   // some of several things could not be done; a question was answered with no
	exitRunning  = 2   // rm: the container runs
	exitEngine   = 125 // skiff failed, or the command line is wrong
	exitCannot   = 126 // the container's command cannot be run
	exitNotFound = 127 // the container's command does not exist
)

// status is an error that stands for an exit code. Err is printed if it is there.
type status struct {
	code int
	err  error
	// bare leaves out "Error: ".
	bare bool
}

func (s *status) Error() string {
	if s.err == nil {
		return fmt.Sprintf("exit status %d", s.code)
	}
	return s.err.Error()
}

func (s *status) Unwrap() error { return s.err }

// exitWith ends the command with a container's own exit status, silently.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &status{code: code}
}

// withCode makes err end the command with code instead of what exitCode says.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &status{code: code, err: err}
}

// bareError is a mistake in the logging options, which Podman reports before
// it can report errors: exit status 1 and no "Error: ".
func bareError(msg string) error {
	return &status{code: exitSome, err: errors.New(msg), bare: true}
}

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var s *status
	var failure wire.Failure
	switch {
	case err == nil, errors.Is(err, attach.ErrDetached):
		return exitOK
	case errors.As(err, &s):
		return s.code
	case errors.As(err, &failure) && failure.Code != 0:
		return failure.Code
	}
	return exitEngine
}

// report prints what there is to say about err: one line that begins "Error: "
// for each of the errors in it, and where the command line was wrong one that
// says where to look.
func report(app *App, err error) {
	var s *status
	if err == nil || errors.Is(err, attach.ErrDetached) || errors.As(err, &s) && s.err == nil {
		return
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			report(app, e)
		}
		return
	}
	var d *dockerError
	if errors.As(err, &d) {
		fmt.Fprintln(app.Err, d.msg)
		return
	}
	text := err.Error()
	if app.Docker {
		text = dockerWords(err)
	}
	prefix, stop := "Error: ", ""
	var u *usageError
	see := errors.As(err, &u) && u.command != "" && !u.quiet
	if see && app.Docker {
		prefix, stop = "", "."
	}
	if s != nil && s.bare {
		prefix = ""
	}
	fmt.Fprintf(app.Err, "%s%s%s\n", prefix, oneLine(text), hint(err))
	if see {
		fmt.Fprintf(app.Err, "See '%s --help'%s\n", u.command, stop)
	}
}

// hint is what to do about a kind of error.
func hint(err error) string {
	switch {
	case errors.Is(err, state.ErrVersion):
		return ": use the newer skiff, or remove what it made"
	case errors.Is(err, state.ErrAmbiguous):
		return ": give more of it"
	}
	var taken *state.NameTaken
	if errors.As(err, &taken) {
		return ": remove or rename that container, or use --replace"
	}
	return ""
}

// oneLine keeps an error to one line, whatever a kernel, file or server put in.
func oneLine(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			r = ' '
		case r < ' ' || r == 0x7f:
			r = '?'
		}
		out = append(out, r)
	}
	for len(out) > 0 && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return string(out)
}
