package cmd

import (
	"errors"
	"fmt"
	"os"

	"skiff/cmd/parse"
	"skiff/libpod"
)

// Ways to show a build that the command itself knows something about.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressSteps = "steps"
	progressTTY   = "tty"
	progressQuiet = "quiet"
)

// shown reads how the build is shown, and what is shown instead of a build.
func (b *build) shown(f *form) {
	c, r := b.c, &b.req.Build
	mode, from := c.String("progress"), "--progress"
	if mode == "" && os.Getenv("BUILDKIT_PROGRESS") != "" {
		mode, from = os.Getenv("BUILDKIT_PROGRESS"), "BUILDKIT_PROGRESS"
	}
	if c.Bool("quiet") {
		mode = progressQuiet
	}
	terminal := isTerminal(b.app.Err) && c.String("logfile") == ""
	switch {
	case mode == "" || mode == progressAuto:
		mode = b.automatic(terminal)
	case !oneOf(mode, progressPlain, progressSteps, progressTTY, progressQuiet, "rawjson"):
		f.err = fmt.Errorf("invalid value %q for %s: want auto, plain, steps, tty, quiet or rawjson", mode, from)
	case mode == progressTTY && !terminal && from == "BUILDKIT_PROGRESS":
		mode = progressPlain
	case mode == progressTTY && !terminal:
		f.err = errors.New("cannot use --progress=tty: standard error is no terminal")
	case mode == progressSteps && b.toStdout():
		mode = progressPlain
	}
	r.Progress = mode
	word(f, "call", func(s string) (string, error) {
		call, json, err := parse.BuildCall(s)
		r.CallJSON = json
		return call, err
	}, func(s string) { r.Call = s })
	r.Check = c.Bool("check") || r.Call == "check"
	if r.Check {
		r.Call = ""
	}
	r.ShellOnFailure = c.Bool("shell-on-failure")
	if r.ShellOnFailure && f.err == nil {
		b.terminal(f)
	}
}

// automatic is how a build is shown if nobody says: on a terminal live, else the
// way that those know who read it.
func (b *build) automatic(terminal bool) string {
	switch {
	case terminal:
		return progressAuto
	case b.app.Docker, b.toStdout():
		return progressPlain
	}
	return progressSteps
}

// terminal has the shell of --shell-on-failure on the caller's terminal.
func (b *build) terminal(f *form) {
	if !isTerminal(b.app.In) || !isTerminal(b.app.Out) {
		f.err = errors.New("cannot use --shell-on-failure: it needs a terminal")
		return
	}
	b.req.Terminal = func() (libpod.AttachOptions, func(), error) {
		e, err := b.app.Engine()
		if err != nil {
			return libpod.AttachOptions{}, nil, err
		}
		s, err := b.app.session(b.c, e, streams{in: true, out: true, err: true}, true)
		if err != nil {
			return libpod.AttachOptions{}, nil, err
		}
		return s.Options(), func() { s.Close() }, nil
	}
}
