package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
)

func newRename(app *App) *cli.Command {
	return &cli.Command{
		Name:      "rename",
		Usage:     "Give a container another name",
		ArgsUsage: "CONTAINER NAME",
		Description: `Gives a container, running or not, another name.

Example:
skiff rename web web-old`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			name, err := parse.Name(c.Args().Get(1))
			if err != nil {
				return usage(err)
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			return e.Rename(c.Context, c.Args().First(), name)
		},
	}
}
