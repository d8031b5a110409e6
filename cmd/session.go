package cmd

import (
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"skiff/cmd/parse"
	"skiff/cmd/terminal"
	"skiff/libpod"
)

// defaultDetachKeys are Docker's and Podman's.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// streams says which of the caller's streams an attachment has.
type streams struct{ in, out, err bool }

// detachKeys are the command line's, Docker's config.json's (configured),
// containers.conf's or the usual ones; e may be nil to check the command line only.
func detachKeys(c *cli.Context, e *libpod.Engine, configured string) ([]byte, error) {
	spec := defaultDetachKeys
	if c.IsSet("detach-keys") {
		spec = c.String("detach-keys")
	} else if configured != "" {
		spec = configured
	} else if e != nil && e.Settings.Engine.DetachKeys != nil {
		spec = *e.Settings.Engine.DetachKeys
	}
	keys, err := parse.DetachKeys(spec)
	if err != nil {
		return nil, usage(err)
	}
	return keys, nil
}

// session makes the caller's side of an attachment.
func (app *App) session(c *cli.Context, e *libpod.Engine, s streams, tty bool) (*terminal.Session, error) {
	keys, err := detachKeys(c, e, app.dockerConfig().DetachKeys)
	if err != nil {
		return nil, err
	}
	req := terminal.Request{TTY: tty, DetachKeys: keys, SigProxy: c.Bool("sig-proxy")}
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
