package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newImagePrune(app *App) *cli.Command {
	return &cli.Command{
		Name:      "prune",
		Usage:     "Remove images that nothing needs",
		ArgsUsage: "",
		Description: `Removes the images that have no name and no container; with --all every image
that has no container.

Example:
skiff image prune --all --filter until=240h`,
		Flags: []cli.Flag{
			toggle("Remove all images without containers, not only those without names", "all", "a"),
			toggle("Accepted for podman's sake: skiff keeps no build cache", "build-cache"),
			toggle("Accepted for podman's sake: skiff keeps no containers of other programs", "external"),
			list("Remove the images that match only, such as until=24h or label=app", "filter"),
			toggle("Do not ask", "force", "f"),
		},
		Action: func(c *cli.Context) error { return pruneImages(app, c) },
	}
}

// imageWarning says which images are about to go, in Docker's words or Podman's.
func imageWarning(app *App, all bool) string {
	switch {
	case app.Docker && all:
		return "This will remove all images without at least one container associated to them."
	case app.Docker:
		return "This will remove all dangling images."
	case all:
		return "This command removes all images without at least one container associated with them."
	}
	return "This command removes all dangling images."
}

func pruneImages(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("image", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	all := c.Bool("all")
	if !c.Bool("force") && !confirmed(app, imageWarning(app, all)) {
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	images, err := e.ImagePrune(all, filters)
	if err != nil {
		return err
	}
	res, freed, err := e.ImagePruneRemove(c.Context, images)
	if err != nil {
		return err
	}
	if app.Docker {
		if len(res.Removed) > 0 {
			fmt.Fprintln(app.Out, "Deleted Images:")
			printRemoved(app, res.Removed)
			fmt.Fprintln(app.Out)
		}
		fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", format.Size(freed))
	} else {
		for _, r := range res.Removed {
			if r.Deleted != "" {
				fmt.Fprintln(app.Out, r.Deleted)
			}
		}
	}
	return errors.Join(libpod.ToolErrors(res)...)
}
