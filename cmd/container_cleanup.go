package cmd

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newCleanup(app *App) *cli.Command {
	return &cli.Command{
		Name:      "container cleanup",
		Usage:     "Take down what is left of containers that do not run",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Takes down networks, mounts and cgroups of containers whose monitor was killed.
Every command does that when it meets such a container; this one does nothing
else.

Examples:
skiff container cleanup web
skiff container cleanup --all`,
		Flags: []cli.Flag{
			toggle("Take all containers that do not run", "all", "a"),
			toggle("Take the container made last", "latest", "l"),
			text("Take down what is left of this exec `session` (skiff leaves nothing)", "exec"),
			toggle("Remove the container afterwards", "rm"),
			toggle("Remove the container's image afterwards", "rmi"),
			toggle("Leave containers alone that have not run", "stopped-only"),
		},
		Action: func(c *cli.Context) error { return cleanUp(app, c) },
	}
}

func cleanUp(app *App, c *cli.Context) error {
	if c.IsSet("exec") {
		switch {
		case c.Bool("all"):
			return errors.New("--all and --exec cannot be set together")
		case c.Bool("rmi"):
			return errors.New("--exec and --rmi cannot be set together")
		case c.NArg() > 1:
			return usagef("--exec needs one container")
		}
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	if c.Bool("all") || c.Bool("stopped-only") {
		list = idle(c, e, list)
	}
	return each(c, app, list, func(ref string) error {
		cfg, err := e.Config(ref)
		if err == nil {
			err = e.Cleanup(c.Context, ref)
		}
		if err == nil && c.Bool("rm") {
			err = e.Remove(c.Context, cfg.ID, libpod.RemoveOptions{})
		}
		if err == nil && c.Bool("rmi") {
			err = e.RemoveImage(c.Context, cfg.Image.Name)
		}
		return err
	})
}

// idle leaves out containers that run, and with --stopped-only those that were
// never started.
func idle(c *cli.Context, e *libpod.Engine, list []target) []target {
	return slices.DeleteFunc(list, func(t target) bool {
		got, err := e.ContainerInspect(t.ref, false)
		if err != nil {
			return false // told by what comes next
		}
		phase := got.Status.Phase
		return c.Bool("all") && phase.Active() || c.Bool("stopped-only") && phase != state.Exited
	})
}
