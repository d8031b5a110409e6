package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/libpod/inspect"
)

func newVolumeInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume inspect",
		Usage:     "Show all about volumes",
		ArgsUsage: "VOLUME [VOLUME...]",
		Description: `Prints what is known about volumes as JSON, or by a template.

Examples:
skiff volume inspect web-data
skiff volume inspect --format '{{.Mountpoint}}' web-data`,
		Flags: []cli.Flag{
			toggle("Show all volumes", "all", "a"),
			text("Print in this `format`: json or a Go template", "format", "f"),
		},
		Action: func(c *cli.Context) error { return inspectVolumes(app, c) },
	}
}

func inspectVolumes(app *App, c *cli.Context) error {
	if c.Bool("all") && c.NArg() > 0 {
		return usagef("--all and volumes cannot be used together")
	}
	if !c.Bool("all") {
		if err := atLeast(c, 1); err != nil {
			return err
		}
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var vols []libpod.Volume
	var errs []error
	if c.Bool("all") {
		vols, err = e.VolumeList(nil)
		errs = append(errs, err)
	}
	for _, name := range c.Args().Slice() {
		v, err := e.Volume(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		vols = append(vols, v)
	}
	var docs []any
	for _, v := range vols {
		docs = append(docs, volumeDocument(app, v))
	}
	if err := documents(app, c.String("format"), docs); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// volumeDocument is the volume in the style of the name that skiff was called by.
func volumeDocument(app *App, v libpod.Volume) any {
	if app.Docker {
		return inspect.DockerVolumeDocument(v.Volume, v.Mountpoint)
	}
	return inspect.VolumeDocument(v.Volume, v.Mountpoint, v.Users)
}
