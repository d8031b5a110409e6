package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
)

func newVolumeCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume create",
		Usage:     "Create a volume",
		ArgsUsage: "[NAME]",
		Description: `Makes a volume and prints its name, which is generated if none is given. With
--opt the content of the volume is something that is mounted: type, device and o
are those of mount(8). Without a device o=uid=1000,gid=1000 gives the directory an owner,
and o=nocopy keeps it empty.

Examples:
skiff volume create web-data
skiff volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=64m scratch
skiff volume create --opt type=none --opt device=/srv/web --opt o=bind web
skiff volume create --opt type=nfs --opt device=:/data --opt o=addr=files.example.com data`,
		Flags: []cli.Flag{
			text("The volume's driver", "driver", "d"),
			text("The group of the volume's directory, as a `number`", "gid"),
			toggle("Do not complain if the volume is there already", "ignore"),
			list("Set a label, as key=value", "label", "l"),
			list("Set an option of the driver, as key=value", "opt", "o"),
			text("The owner of the volume's directory, as a `number`", "uid"),
		},
		Action: func(c *cli.Context) error { return createVolume(app, c) },
	}
}

func createVolume(app *App, c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("the command takes at most one name")
	}
	labels, err := parse.Pairs("label", c.StringSlice("label"))
	if err != nil {
		return err
	}
	options, err := parse.Pairs("option", c.StringSlice("opt"))
	if err != nil {
		return err
	}
	for _, key := range []string{"uid", "gid"} {
		if !c.IsSet(key) {
			continue
		}
		if options == nil {
			options = map[string]string{}
		}
		options[key] = c.String(key)
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	name, err := e.CreateVolume(c.Args().First(), libpod.VolumeOptions{
		Driver: c.String("driver"), Labels: labels, Options: options, Ignore: c.Bool("ignore") || app.Docker,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, name)
	return err
}
