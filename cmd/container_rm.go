package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "Remove containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Removes containers that do not run, with everything that was written in them.
Exit status 1: one of them does not exist; 2: one of them runs.

Examples:
skiff rm web
skiff rm -af`,
		Flags: append(selectFlags(true, true, true), timeFlag(),
			toggle("Stop containers that run, and ignore those that do not exist", "force", "f"),
			toggle("Remove the containers first that share their namespaces", "depend"),
			toggle("Remove their anonymous volumes too", "volumes", "v")),
		Action: func(c *cli.Context) error { return removeContainers(app, c) },
	}
}

func removeContainers(app *App, c *cli.Context) error {
	opts := libpod.RemoveOptions{
		Force: c.Bool("force"), Volumes: c.Bool("volumes"), Depend: c.Bool("depend"),
		Time: timeout(c),
	}
	if opts.Time != nil && !opts.Force {
		return usagef("--force option must be specified to use the --time option")
	}
	err := onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
		err := e.Remove(c.Context, ref, opts)
		if opts.Force && errors.Is(err, state.ErrNotFound) {
			if app.Docker { // says so, and is content
				return withCode(exitOK, err)
			}
			return nil
		}
		return err
	})(c)
	e, eerr := app.Engine()
	if eerr != nil {
		return eerr
	}
	if cerr := e.Collect(c.Context); err == nil {
		return cerr
	}
	return removeStatus(err)
}
