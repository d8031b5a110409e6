package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"skiff/libpod"
	"skiff/state"
)

// exitTemplate is what Docker's inspect ends with when it cannot understand the
// template.
const exitTemplate = 64

// arity is how many words a command of Docker takes after its options; most is
// negative where there is no bound.
type arity struct {
	name        string
	least, most int
}

// dockerArities are those of Docker's commands, under their first names here.
// Docker counts before it looks at anything else.
func dockerArities() []arity {
	return []arity{
		{"attach", 1, 1}, {"build", 1, 1}, {"commit", 1, 2}, {"cp", 2, 2}, {"create", 1, -1}, {"diff", 1, 1}, {"events", 0, 0},
		{"exec", 2, -1}, {"export", 1, 1}, {"history", 1, 1}, {"images", 0, 1}, {"import", 1, -1}, {"info", 0, 0},
		{"inspect", 1, -1}, {"kill", 1, -1}, {"load", 0, 0}, {"login", 0, 1}, {"logout", 0, 1}, {"logs", 1, 1},
		{"pause", 1, -1}, {"port", 1, 2}, {"ps", 0, 0}, {"pull", 1, 1}, {"push", 1, 1}, {"rename", 2, 2},
		{"restart", 1, -1}, {"rm", 1, -1}, {"rmi", 1, -1}, {"run", 1, -1}, {"save", 1, -1}, {"search", 1, 1},
		{"start", 1, -1}, {"stop", 1, -1}, {"tag", 2, 2}, {"top", 1, -1}, {"unpause", 1, -1}, {"update", 1, -1},
		{"version", 0, 0}, {"wait", 1, -1}, {"container inspect", 1, -1}, {"container prune", 0, 0},
		{"manifest annotate", 2, 2}, {"manifest create", 2, -1}, {"manifest inspect", 1, 2}, {"manifest push", 1, 1},
		{"manifest rm", 1, -1}, {"image inspect", 1, -1}, {"image prune", 0, 0}, {"network connect", 2, 2}, {"network create", 1, 1},
		{"network disconnect", 2, 2}, {"network inspect", 1, -1}, {"network ls", 0, 0}, {"network prune", 0, 0},
		{"network rm", 1, -1}, {"system df", 0, 0}, {"system prune", 0, 0}, {"volume create", 0, 1},
		{"volume inspect", 1, -1}, {"volume ls", 0, 0}, {"volume prune", 0, 0}, {"volume rm", 1, -1},
	}
}

// countWords checks the number of words the way Docker does, in its words.
// Podman's options that stand for names take the place of those.
func countWords(c *command, full string, w words) error {
	list := dockerArities()
	i := slices.IndexFunc(list, func(a arity) bool { return a.name == c.name })
	if i < 0 {
		return nil
	}
	n, least, most := len(w.rest), list[i].least, list[i].most
	for _, o := range w.options {
		name, _, _ := strings.Cut(o, "=")
		if oneOf(name, "--all", "--latest", "--cidfile", "--filter", "--rootfs") {
			least = 0
		}
	}
	want := ""
	switch {
	case n >= least && (most < 0 || n <= most):
		return nil
	case least == 0 && most == 0:
		want = "accepts no arguments"
	case most < 0:
		want = fmt.Sprintf("requires at least %d %s", least, plural("argument", least))
	case list[i].least == most:
		want = fmt.Sprintf("requires exactly %d %s", most, plural("argument", most))
	case list[i].least == 0:
		want = fmt.Sprintf("requires at most %d %s", most, plural("argument", most))
	default:
		want = fmt.Sprintf("requires at least %d and at most %d %s", list[i].least, most, plural("argument", most))
	}
	return &dockerError{msg: fmt.Sprintf("%q %s.\nSee '%s --help'.", full, want, full)}
}

func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// dockerError is a mistake in a command line, in Docker's words, which scripts
// and people know: without "Error: ", exit status 1.
type dockerError struct{ msg string }

func (e *dockerError) Error() string { return e.msg }

// errNoTerminal is what Docker says to -it without a terminal.
func errNoTerminal() error { return &dockerError{msg: "the input device is not a TTY"} }

// dockerUnknown is the error for a word that is no command.
func dockerUnknown(word string) error {
	return &dockerError{msg: fmt.Sprintf("docker: '%s' is not a docker command.\nSee 'docker --help'", oneLine(word))}
}

// missing is an error about a thing that is not there, for those who say so in
// words of their own.
type missing interface {
	error
	Missing() (thing, ref string)
}

// dockerWords is what an error is called by Docker, where scripts look for it.
func dockerWords(err error) string {
	var m missing
	if errors.As(err, &m) && errors.Is(err, state.ErrNotFound) {
		if thing, ref := m.Missing(); ref != "" {
			return "No such " + thing + ": " + ref
		}
	}
	return err.Error()
}

// dockerCode is Docker's exit code for an error: 125 is run's, for which a
// container's command may have ended with anything else, and that of options
// that cannot be read.
func dockerCode(app *App, err error) int {
	var s *status
	var d *dockerError
	var filter *libpod.FilterSyntaxError
	code := exitCode(err)
	bad := errors.Is(err, errUsage)
	switch {
	case errors.As(err, &d):
		return exitSome
	case errors.As(err, &filter):
		return exitEngine
	case code == exitOK || errors.As(err, &s) && (s.err == nil || s.code == exitTemplate):
		return code
	case app.command == "run" || app.command == "create" && bad || app.badOptions:
		return code
	case app.command == "exec" && (code == exitCannot || code == exitNotFound):
		return exitCannot
	}
	return exitSome
}
