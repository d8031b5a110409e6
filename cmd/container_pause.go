package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newPause(app *App) *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "Freeze containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Freezes all processes of each container until unpause.

Example:
skiff pause web`,
		Flags: selectFlags(true, true, false, "f"),
		Action: onContainersThatAre("running", app, func(c *cli.Context, e *libpod.Engine, ref string) error {
			return e.Pause(c.Context, ref)
		}, state.Running),
	}
}

func newUnpause(app *App) *cli.Command {
	return &cli.Command{
		Name:      "unpause",
		Usage:     "Let frozen containers go on",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Lets all processes of each paused container go on.

Example:
skiff unpause web`,
		Flags: selectFlags(true, true, false, "f"),
		Action: onContainersThatAre("paused", app, func(c *cli.Context, e *libpod.Engine, ref string) error {
			return e.Unpause(c.Context, ref)
		}, state.Paused),
	}
}

// onContainersThatAre is onContainers where --all means those in one state only.
func onContainersThatAre(status string, app *App, work func(c *cli.Context, e *libpod.Engine, ref string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		e, err := app.Engine()
		if err != nil {
			return err
		}
		list, err := targets(c, e)
		if err != nil {
			return err
		}
		if c.Bool("all") {
			filters := append(c.StringSlice("filter"), "status="+status)
			ids, err := e.Select(libpod.Selection{All: true, Filters: filters})
			if err != nil {
				return err
			}
			list = list[:0]
			for _, id := range ids {
				list = append(list, target{id, id})
			}
		}
		return each(c, app, list, func(ref string) error { return work(c, e, ref) })
	}
}
