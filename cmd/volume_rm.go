package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/state"
)

func newVolumeRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume rm",
		Usage:     "Remove volumes",
		ArgsUsage: "VOLUME [VOLUME...]",
		Description: `Removes volumes with their content. One that a container mounts, whether it runs
or not, is removed only with --force, and the container with it.
Exit status 1: one of them does not exist; 2: one of them is used.

Examples:
skiff volume rm web-data
skiff volume rm --all`,
		Flags: []cli.Flag{
			toggle("Remove all volumes", "all", "a"),
			toggle("Remove the containers that mount them too, and do not complain about volumes that do not exist", "force", "f"),
			number("With --force, `seconds` that containers have to end before they are killed, -1 for ever", "time", "t", "timeout"),
		},
		Action: func(c *cli.Context) error { return removeVolumes(app, c) },
	}
}

func removeVolumes(app *App, c *cli.Context) error {
	names := c.Args().Slice()
	switch {
	case c.Bool("all") && len(names) > 0:
		return usagef("--all and volumes cannot be used together")
	case !c.Bool("all") && len(names) == 0:
		return usagef("you must provide at least one volume name")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var unreadable error
	if c.Bool("all") {
		var vols []libpod.Volume
		vols, unreadable = e.VolumeList(nil)
		for _, v := range vols {
			names = append(names, v.Name)
		}
	}
	var wait *int
	if c.IsSet("time") {
		n := c.Int("time")
		wait = &n
	}
	remove := func(name string) (string, error) {
		if !c.Bool("force") {
			return name, e.RemoveVolume(c.Context, name)
		}
		if !app.Docker {
			return name, e.ForceRemoveVolume(c.Context, name, wait)
		}
		err := e.RemoveVolume(c.Context, name) // Docker keeps what is used
		if errors.Is(err, state.ErrNotFound) {
			err = nil // Docker names it as it does those that are gone now
		}
		return name, err
	}
	return removeEach(app, names, c.Bool("force"), remove, unreadable)
}

func newVolumePrune(app *App) *cli.Command {
	return &cli.Command{
		Name:  "volume prune",
		Usage: "Remove unused volumes",
		Description: `Removes the anonymous volumes that no container mounts, and prints their names.
With --all it removes those with a name as well.

Examples:
skiff volume prune -f
skiff volume prune -af --filter label=scratch`,
		Flags: []cli.Flag{
			toggle("Remove volumes with a name as well", "all", "a"),
			list("Remove only volumes that match, such as label=app", "filter"),
			toggle("Do not ask", "force", "f"),
		},
		Action: func(c *cli.Context) error { return pruneVolumes(app, c) },
	}
}

func pruneVolumes(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("volume", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if !c.Bool("force") {
		if yes, err := confirmedPrune(app, e, c.Bool("all"), filters); err != nil || !yes {
			return err
		}
	}
	removed, freed, err := e.PruneVolumesMeasured(c.Context, c.Bool("all"), filters)
	if err != nil && len(removed) == 0 {
		return err
	}
	if app.Docker {
		deleted(app, "Volumes:", removed)
		fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", format.Size(freed))
		return err
	}
	for _, name := range removed {
		fmt.Fprintln(app.Out, name)
	}
	return err
}

// confirmedPrune asks; called as podman or skiff it first says what would go.
func confirmedPrune(app *App, e *libpod.Engine, all bool, filters []libpod.Filter) (bool, error) {
	what := "all anonymous volumes"
	switch {
	case all && app.Docker:
		what = "all local volumes"
	case all:
		what = "all volumes"
	case app.Docker:
		what = "anonymous local volumes"
	}
	warning := "This will remove " + what + " not used by at least one container."
	if app.Docker {
		return confirmed(app, warning), nil
	}
	names, err := e.PrunableVolumes(all, filters)
	if err != nil {
		return false, err
	}
	if len(names) == 0 {
		none := "No dangling anonymous volumes found"
		if all {
			none = "No dangling volumes found"
		}
		fmt.Fprintf(app.Out, "WARNING! %s\n%s\n", warning, none)
		return false, nil
	}
	return confirmed(app, warning+"\nThe following volumes will be removed:\n"+strings.Join(names, "\n")), nil
}
