package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newSystemCheck(app *App) *cli.Command {
	return &cli.Command{
		Name:  "system check",
		Usage: "Look for damage, and repair it",
		Description: `Looks for what a crash, a full disk or a hand has left half done: in records,
names, volumes, images, run directories, cgroups, mounts and network devices.
Prints a line for each damage. With --repair it mends what can be mended without
a loss, with --force it removes the rest.
Exit status 125: there is damage (left).

Examples:
skiff system check
skiff system check --repair`,
		Flags: []cli.Flag{
			toggle("Repair, and remove what cannot be repaired", "force", "f"),
			&cli.DurationFlag{Name: "max", Aliases: []string{"m"}, Usage: "Accepted for podman's sake: layers without an image are damage at any age"},
			toggle("Leave out what takes long", "quick", "q"),
			toggle("Repair what can be repaired without a loss", "repair", "r"),
		},
		Action: func(c *cli.Context) error { return checkSystem(app, c) },
	}
}

func checkSystem(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	found, err := e.Check(c.Context, libpod.CheckOptions{Quick: c.Bool("quick"), Repair: c.Bool("repair"), Lossy: c.Bool("force")})
	if err != nil {
		return err
	}
	left := 0
	for _, f := range found {
		line := f.Thing + ": " + f.What
		switch {
		case f.Repaired:
			line += " (repaired)"
		case f.Failed != nil:
			line += " (cannot be repaired: " + f.Failed.Error() + ")"
		}
		if !f.Repaired {
			left++
		}
		fmt.Fprintln(app.Out, format.Printable(line))
	}
	switch {
	case left == 0:
		return nil
	case c.Bool("repair") && !c.Bool("force"):
		return errors.New("some damage is left: --force removes what cannot be repaired")
	case c.Bool("force"):
		return errors.New("some damage is left")
	}
	return fmt.Errorf("damage detected: use %q", app.Name+" system check --repair")
}
