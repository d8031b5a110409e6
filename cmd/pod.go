package cmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/state"
)

// skiff keeps no pods yet. These commands answer as on a machine without any,
// for scripts that look for pods before they clean up.

func newPodList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "pod ls",
		Usage: "List pods (skiff keeps none)",
		Description: `Prints the headings only: skiff keeps no pods.

Example:
skiff pod ls --noheading`,
		Flags: append(formatFlags("n"),
			list("List the pods that match, such as name=web", "filter", "f"),
			toggle("Print ids only", "quiet", "q")),
		Action: func(c *cli.Context) error { return listPods(app, c) },
	}
}

// podRow would be a pod; there is none to make one of.
type podRow struct{}

func listPods(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	if _, err := libpod.ParseFilters("pod", c.StringSlice("filter")); err != nil {
		return err
	}
	if c.Bool("quiet") {
		return nil
	}
	l := listing[podRow]{
		document:  func([]podRow) any { return []podRow{} },
		noHeading: c.Bool("noheading"),
	}
	for _, head := range []string{"POD ID", "NAME", "STATUS", "CREATED", "INFRA ID", "# OF CONTAINERS"} {
		l.columns = append(l.columns, format.Column[podRow]{Head: head})
	}
	return l.print(app, c.String("format"), nil)
}

func newPodRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "pod rm",
		Usage:     "Remove pods (skiff keeps none)",
		ArgsUsage: "[POD...]",
		Description: `Fails for each name, unless --ignore is given: skiff keeps no pods.
Exit status 1: one of them does not exist.

Example:
skiff pod rm --all --force --ignore`,
		Flags: []cli.Flag{
			toggle("Remove all pods", "all", "a"),
			toggle("Remove pods whose containers run", "force", "f"),
			toggle("Do not complain about pods that do not exist", "ignore", "i"),
			number("Seconds to wait before a container is killed", "time", "t"),
		},
		Action: func(c *cli.Context) error { return removePods(app, c) },
	}
}

func removePods(_ *App, c *cli.Context) error {
	switch {
	case c.Bool("all") && c.NArg() > 0:
		return usagef("--all and pods cannot be used together")
	case !c.Bool("all") && c.NArg() == 0:
		return usagef("you must provide at least one pod name or ID")
	case c.Bool("ignore"):
		return nil
	}
	var errs []error
	for _, name := range c.Args().Slice() {
		errs = append(errs, state.Errorf(state.ErrNotFound, "no pod with name or ID %q found: skiff keeps no pods", name))
	}
	return withCode(exitSome, errors.Join(errs...))
}
