package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newKill(app *App) *cli.Command {
	return &cli.Command{
		Name:      "kill",
		Usage:     "Send a signal to containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Sends a signal to the first process of each container.

Example:
skiff kill -s HUP web`,
		Flags: append(selectFlags(true, true, false),
			&cli.StringFlag{Name: "signal", Aliases: []string{"s"}, Value: "KILL", Usage: "Signal to send, a name or a number"}),
		Action: func(c *cli.Context) error {
			sig, err := parse.Signal(c.String("signal"))
			if err != nil {
				return usage(err)
			}
			return onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
				return e.Kill(c.Context, ref, sig)
			}, state.Running, state.Paused, state.Restarting)(c)
		},
	}
}
