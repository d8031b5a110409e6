package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newStart(app *App) *cli.Command {
	flags := append(selectFlags(false, false, false, "f"), attachFlags()...)
	return &cli.Command{
		Name:      "start",
		Usage:     "Start containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Starts containers that were made before. With --attach the command takes part
in the container's streams and ends with its exit status.

Examples:
skiff start web
skiff start -ai shell`,
		Flags: append(flags,
			toggle("Take all containers", "all"),
			toggle("Attach to the container's output", "attach", "a"),
			text("Refused: there are no checkpoints to start from", "checkpoint"),
			text("Refused, as --checkpoint", "checkpoint-dir"),
			toggle("Attach to the container's standard input", "interactive", "i")),
		Action: func(c *cli.Context) error { return startContainers(app, c) },
	}
}

func startContainers(app *App, c *cli.Context) error {
	if c.Bool("all") && c.NArg() > 0 {
		return usage(errors.New("either start all containers or the container(s) provided in the arguments"))
	}
	if c.IsSet("checkpoint") || c.IsSet("checkpoint-dir") {
		return errors.New("cannot start from a checkpoint: that takes CRIU, which skiff does not use; leave --checkpoint out to begin anew")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	list = only(c, e, list, state.Created, state.Exited, state.Initialized)
	if !c.Bool("attach") && !c.Bool("interactive") {
		return each(c, app, list, func(ref string) error {
			_, err := e.Start(c.Context, ref, libpod.StartOptions{})
			return withCode(exitEngine, err) // the container's own statuses are for those who wait for it
		})
	}
	if len(list) != 1 {
		return usagef("you cannot start and attach multiple containers at once")
	}
	cfg, err := e.Config(list[0].ref)
	if err != nil {
		return err
	}
	in := c.Bool("interactive") && cfg.Process.OpenStdin
	s, err := app.session(c, e, streams{in, true, true}, cfg.Process.Terminal)
	if err != nil {
		return err
	}
	defer s.Close()
	opts := s.Options()
	res, err := e.Start(c.Context, list[0].ref, libpod.StartOptions{Attach: &opts})
	if err != nil {
		return err
	}
	return exitWith(res.ExitCode)
}
