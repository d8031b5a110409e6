package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newBuildxVersion(app *App) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "Show which builder this is",
		Description: `Prints the version of skiff, which is its own builder; called as podman, that of
the buildah whose options build has.

Example:
skiff buildx version`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 0); err != nil {
				return err
			}
			if app.Name == "podman" {
				fmt.Fprintln(app.Out, "buildah "+libpod.BuildahVersion)
				return nil
			}
			fmt.Fprintln(app.Out, "skiff "+Version)
			return nil
		},
	}
}
