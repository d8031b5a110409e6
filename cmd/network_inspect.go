package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/libpod/inspect"
)

func newNetworkInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network inspect",
		Usage:     "Show all about networks",
		ArgsUsage: "NETWORK [NETWORK...]",
		Description: `Prints what is known about networks, and which containers are in them, as JSON or
by a template.

Examples:
skiff network inspect bridge
skiff network inspect --format '{{.NetworkInterface}}' bridge`,
		Flags: []cli.Flag{
			text("Print in this `format`: json or a Go template", "format", "f"),
			toggle("Print more (skiff always prints all)", "verbose", "v"),
		},
		Action: func(c *cli.Context) error { return inspectNetworks(app, c) },
	}
}

func inspectNetworks(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var docs []any
	var errs []error
	for _, name := range c.Args().Slice() {
		r, containers, err := e.NetworkInspect(name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case app.Docker:
			docs = append(docs, inspect.NetworkForDocker(r, containers))
		default:
			doc := inspect.Network(r, containers)
			doc.Name = app.networkName(doc.Name)
			docs = append(docs, doc)
		}
	}
	if err := documents(app, c.String("format"), docs); err != nil {
		return err
	}
	return errors.Join(errs...)
}

func newNetworkExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network exists",
		Usage:     "Tell whether a network exists",
		ArgsUsage: "NETWORK",
		Description: `Ends with status 0 if the network exists and 1 if it does not, and prints nothing.

Example:
skiff network exists bridge`,
		Action: func(c *cli.Context) error {
			return exists(app, c, func(e *libpod.Engine, ref string) error {
				_, _, err := e.NetworkInspect(ref)
				return err
			})
		},
	}
}
