package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newRestart(app *App) *cli.Command {
	return &cli.Command{
		Name:      "restart",
		Usage:     "Stop containers and start them again",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Stops each container that runs, as stop does, and starts it.

Example:
skiff restart -t 5 web`,
		Flags: append(selectFlags(true, true, false, "f"), timeFlag(), signalFlag(),
			toggle("Take only containers that run", "running")),
		Action: func(c *cli.Context) error {
			o, err := stopOptions(c)
			if err != nil {
				return err
			}
			o.Quiet = app.Docker
			work := func(c *cli.Context, e *libpod.Engine, ref string) error {
				return withCode(exitEngine, e.Restart(c.Context, ref, o)) // as start
			}
			if !c.Bool("running") {
				return onContainers(app, work)(c)
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			ids, err := e.Select(libpod.Selection{
				Refs: c.Args().Slice(), All: c.NArg() == 0, Filters: append(c.StringSlice("filter"), "status=running"),
			})
			if err != nil {
				return err
			}
			var list []target
			for _, id := range ids {
				list = append(list, target{id, id})
			}
			return each(c, app, list, func(ref string) error { return work(c, e, ref) })
		},
	}
}
