package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newImageExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "exists",
		Usage:     "Tell whether an image is here",
		ArgsUsage: "IMAGE",
		Description: `Ends with status 0 if the image is here and 1 if it is not, and prints nothing.

Example:
skiff image exists httpd || skiff pull httpd`,
		Action: func(c *cli.Context) error {
			return exists(app, c, func(e *libpod.Engine, ref string) error {
				_, _, err := e.Images.Lookup(ref)
				return err
			})
		},
	}
}

func newContainerExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "exists",
		Usage:     "Tell whether a container is there",
		ArgsUsage: "CONTAINER",
		Description: `Ends with status 0 if the container is there and 1 if it is not, and prints
nothing.

Example:
skiff container exists web && skiff rm web`,
		Flags: []cli.Flag{toggle("Look for containers of other programs, too (skiff keeps none)", "external")},
		Action: func(c *cli.Context) error {
			return exists(app, c, func(e *libpod.Engine, ref string) error {
				_, err := e.Store.Find(ref)
				return err
			})
		},
	}
}

func exists(app *App, c *cli.Context, find func(*libpod.Engine, string) error) error {
	if err := exactly(c, 1); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	err = find(e, c.Args().First())
	if errors.Is(err, state.ErrNotFound) {
		return exitWith(exitSome)
	}
	return err
}
