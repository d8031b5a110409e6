package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newNetworkRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network rm",
		Usage:     "Remove networks",
		ArgsUsage: "NETWORK [NETWORK...]",
		Description: `Removes networks that no container uses. bridge, host and none cannot be removed.
Exit status 1: one of them does not exist; 2: one of them is used.

Example:
skiff network rm backend`,
		Flags: []cli.Flag{
			toggle("Do not complain about networks that do not exist", "force", "f"),
			number("Has no effect: no container is stopped", "time", "t"),
		},
		Action: func(c *cli.Context) error { return removeNetworks(app, c) },
	}
}

func removeNetworks(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	remove := func(name string) (string, error) { return name, e.NetworkRemove(name, app.Docker) }
	return removeEach(app, c.Args().Slice(), c.Bool("force"), remove, nil)
}

func newNetworkPrune(app *App) *cli.Command {
	return &cli.Command{
		Name:  "network prune",
		Usage: "Remove unused networks",
		Description: `Removes the networks that no container uses, and prints their names. bridge, host
and none stay; the bridge device of one that nobody is in goes.

Example:
skiff network prune -f`,
		Flags: []cli.Flag{
			list("Remove only networks that match, such as label=app", "filter"),
			toggle("Do not ask", "force", "f"),
		},
		Action: func(c *cli.Context) error { return pruneNetworks(app, c) },
	}
}

func pruneNetworks(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("network", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	what := "networks"
	if app.Docker {
		what = "custom networks"
	}
	if !c.Bool("force") && !confirm(app, "This will remove all "+what+" not used by at least one container.") {
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	removed, err := e.NetworkPrune(filters)
	if app.Docker && len(removed) > 0 {
		fmt.Fprintln(app.Out, "Deleted Networks:")
	}
	for _, name := range removed {
		fmt.Fprintln(app.Out, name)
	}
	if app.Docker && len(removed) > 0 {
		fmt.Fprintln(app.Out)
	}
	return err
}

func newNetworkReload(app *App) *cli.Command {
	return &cli.Command{
		Name:  "network reload",
		Usage: "Put firewall rules in place again",
		Description: `Puts the firewall rules of all running containers in place again, after something
has flushed or reloaded the firewall.

Example:
skiff network reload --all`,
		Flags: []cli.Flag{
			toggle("Reload all containers (which is always done)", "all", "a"),
		},
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			return e.NetworkReload()
		},
	}
}
