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

func newContainerPrune(app *App) *cli.Command {
	return &cli.Command{
		Name:  "container prune",
		Usage: "Remove all containers that do not run",
		Description: `Removes the containers that do not run, with their files, and prints their ids.

Examples:
skiff container prune -f
skiff container prune --filter until=24h`,
		Flags: []cli.Flag{
			list("Remove only containers that match, such as until=24h or label=app", "filter"),
			toggle("Do not ask", "force", "f"),
		},
		Action: func(c *cli.Context) error { return pruneContainers(app, c) },
	}
}

func pruneContainers(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("container", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	if !c.Bool("force") && !confirmed(app, "This will remove all stopped containers.") {
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	removed, freed, err := e.PruneContainers(c.Context, filters)
	if err != nil && len(removed) == 0 {
		return err
	}
	if app.Docker {
		deleted(app, "Containers:", removed)
		fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", format.Size(freed))
		return err
	}
	for _, id := range removed {
		fmt.Fprintln(app.Out, id)
	}
	return err
}

func newSystemPrune(app *App) *cli.Command {
	return &cli.Command{
		Name:  "system prune",
		Usage: "Remove everything that nothing uses",
		Description: `Removes the containers that do not run, then the networks and images that
nothing uses any more, with --volumes volumes, and what builds keep but, without
--all, for what images share with it. It asks first.

Examples:
skiff system prune -f
skiff system prune --all --volumes --filter label=scratch`,
		Flags: []cli.Flag{
			toggle("Remove all images without containers, not only those without names", "all", "a"),
			toggle("Accepted for podman's sake: the build cache is pruned in any case", "build"),
			toggle("Accepted for podman's sake: skiff keeps no containers of other programs", "external"),
			list("Remove only what matches, such as until=24h or label=app", "filter"),
			toggle("Do not ask", "force", "f"),
			toggle("Remove volumes as well (anonymous ones when called docker, else all)", "volumes"),
		},
		Action: func(c *cli.Context) error { return pruneSystem(app, c) },
	}
}

func pruneSystem(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	opt := libpod.PruneOptions{All: c.Bool("all"), Volumes: c.Bool("volumes"), NamedVolumes: !app.Docker}
	var err error
	if opt.Filters, err = libpod.ParseFilters("prune", c.StringSlice("filter")); err != nil {
		return err
	}
	if !c.Bool("force") && !confirm(app, pruneWarning(opt, c.StringSlice("filter"))) {
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	p, err := e.SystemPrune(c.Context, opt)
	if errors.Is(err, state.ErrInvalid) && p.Freed == 0 { // the filters are
		return err
	}
	colon := ""
	if app.Docker {
		colon = ":"
	}
	deleted(app, "Containers"+colon, p.Containers)
	deleted(app, "Networks"+colon, p.Networks)
	deleted(app, "Volumes"+colon, p.Volumes)
	if len(p.Images) > 0 {
		fmt.Fprintln(app.Out, "Deleted Images"+colon)
		printRemoved(app, p.Images)
		if app.Docker {
			fmt.Fprintln(app.Out)
		}
	}
	deleted(app, "build cache objects:", p.Build)
	fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", format.Size(p.Freed))
	return err
}

// pruneWarning says what is about to go.
func pruneWarning(opt libpod.PruneOptions, filters []string) string {
	var b strings.Builder
	b.WriteString("This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n")
	if opt.Volumes && opt.NamedVolumes {
		b.WriteString("  - all volumes not used by at least one container\n")
	} else if opt.Volumes {
		b.WriteString("  - all anonymous volumes not used by at least one container\n")
	}
	if opt.All {
		b.WriteString("  - all images without at least one container associated to them\n")
	} else {
		b.WriteString("  - all dangling images\n")
	}
	if opt.All {
		b.WriteString("  - all build cache\n")
	} else {
		b.WriteString("  - all dangling build cache\n")
	}
	if len(filters) > 0 {
		b.WriteString("\n  Items to be pruned will be filtered with:\n")
		for _, f := range filters {
			b.WriteString("  - " + f + "\n")
		}
	}
	return b.String()
}

// deleted lists what was removed of a kind, if anything was.
func deleted(app *App, kind string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintln(app.Out, "Deleted", kind)
	for _, n := range names {
		fmt.Fprintln(app.Out, n)
	}
	if app.Docker {
		fmt.Fprintln(app.Out)
	}
}
