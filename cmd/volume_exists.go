package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/state"
)

func newVolumeExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume exists",
		Usage:     "Tell whether a volume exists",
		ArgsUsage: "VOLUME",
		Description: `Prints nothing. Exit status 0: the volume exists; 1: it does not.

Example:
skiff volume exists web-data || skiff volume create web-data`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			_, err = e.Volumes.Load(c.Args().First())
			if errors.Is(err, state.ErrNotFound) {
				return exitWith(exitSome)
			}
			return err
		},
	}
}
