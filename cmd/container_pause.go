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
		Action: onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
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
		Action: onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
			return e.Unpause(c.Context, ref)
		}, state.Paused),
	}
}
