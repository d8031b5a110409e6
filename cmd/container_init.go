package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/state"
)

func newInit(app *App) *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "Prepare containers for their start",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Makes all that containers need, such as namespaces, mounts and the network, and
leaves their programs waiting for start. What the host shows of a container can so
be looked at, or changed, before its program runs. stop undoes it.

Examples:
skiff init web
skiff init --all`,
		Flags: []cli.Flag{
			toggle("Take all containers that do not run", "all", "a"),
			toggle("Take the container made last", "latest", "l"),
		},
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			list, err := targets(c, e)
			if err != nil {
				return err
			}
			return each(c, app, only(c, e, list, state.Created, state.Exited), func(ref string) error {
				return withCode(exitEngine, e.Initialize(c.Context, ref))
			})
		},
	}
}
