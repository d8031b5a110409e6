package cmd

import (
	"os"

	"golang.org/x/term"

	"skiff/cmd/parse"
	"skiff/cmd/terminal"
)

// defaultDetachKeys are Docker's and Podman's.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// streams says which of the caller's streams an attachment has.
type streams struct{ in, out, err bool }

// session makes the caller's side of an attachment.
func (app *App) session(s streams, tty, sigProxy bool, detachKeys string) (*terminal.Session, error) {
	keys, err := parse.DetachKeys(detachKeys)
	if err != nil {
		return nil, usage(err)
	}
	req := terminal.Request{TTY: tty, DetachKeys: keys, SigProxy: sigProxy}
	if s.in {
		req.In = app.In
	}
	if s.out {
		req.Out = app.Out
	}
	if s.err {
		req.Err = app.Err
	}
	return terminal.New(req), nil
}

// isTerminal reports whether a stream of the caller is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
