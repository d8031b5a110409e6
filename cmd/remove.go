package cmd

import (
	"errors"
	"fmt"

	"skiff/state"
)

// removeEach removes things by name, prints what remove calls those that are
// gone, and goes on after failures. With lenient what does not exist is no
// failure; earlier is one from before.
func removeEach(app *App, names []string, lenient bool, remove func(string) (string, error), earlier error) error {
	errs := []error{earlier}
	for _, name := range names {
		gone, err := remove(name)
		switch {
		case err == nil:
			fmt.Fprintln(app.Out, gone)
		case lenient && errors.Is(err, state.ErrNotFound):
		default:
			errs = append(errs, err)
		}
	}
	return removeStatus(errors.Join(errs...))
}

// noSuchContainer says that a container is not there in the words of one command, of
// which people and scripts know several; words has one %q.
func noSuchContainer(err error, words string) error {
	var m *state.MissingError
	if !errors.As(err, &m) || m.Thing != "container" {
		return err
	}
	return &state.MissingError{Text: fmt.Sprintf(words, m.Ref), Thing: m.Thing, Ref: m.Ref}
}

// removeStatus is rm's own exit status: 2 if all that went wrong is that
// containers run, 1 if it is that they do not exist.
func removeStatus(err error) error {
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return err
	}
	code := 0
	for _, e := range many.Unwrap() {
		var s *status
		switch {
		case errors.As(e, &s) && s.code == exitOK:
		case errors.Is(e, state.ErrInUse):
			code = max(code, exitRunning)
		case errors.Is(e, state.ErrNotFound):
			code = max(code, exitSome)
		default:
			code = exitEngine
		}
	}
	return withCode(code, err)
}
