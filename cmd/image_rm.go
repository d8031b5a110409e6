package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newRmi(app *App) *cli.Command {
	return &cli.Command{
		Name:      "rmi",
		Usage:     "Remove images",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Takes names away from images, and removes an image with its last name.
Exit status 1: one of them does not exist; 2: one of them is in use.

Examples:
skiff rmi httpd:2.4
skiff rmi -a`,
		Flags: []cli.Flag{
			toggle("Remove all images", "all", "a"),
			toggle("Remove the containers of the images, too, and ignore images that do not exist", "force", "f"),
			toggle("Do not complain about images that do not exist", "ignore", "i"),
			toggle("Keep parents that have no name", "no-prune"),
		},
		Action: func(c *cli.Context) error { return removeImages(app, c) },
	}
}

func removeImages(app *App, c *cli.Context) error {
	all, names := c.Bool("all"), c.Args().Slice()
	switch {
	case all && len(names) > 0:
		return usagef("when using the --all switch, you may not pass any images names or IDs")
	case !all && len(names) == 0:
		return usagef("image name or ID must be specified")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	s := app.streams()
	s.In, s.Out = nil, nil
	res, err := e.ImageRemove(c.Context, names, libpod.ImageRemoveOptions{
		All: all, Force: c.Bool("force"), Ignore: c.Bool("ignore"), NoPrune: c.Bool("no-prune"), SpareRunning: app.Docker,
	}, s)
	if err != nil {
		return err
	}
	printRemoved(app, res.Removed)
	return rmiStatus(libpod.ToolErrors(res))
}

// rmiStatus is rmi's own exit status: 2 if an image is in use, else 1 if one
// does not exist, as long as nothing worse happened.
func rmiStatus(errs []error) error {
	code := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, state.ErrInUse):
			code = max(code, exitRunning)
		case errors.Is(err, state.ErrNotFound):
			code = max(code, exitSome)
		default:
			code = exitEngine
		}
	}
	return withCode(code, errors.Join(errs...))
}
