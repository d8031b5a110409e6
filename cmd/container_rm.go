package cmd

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "Remove containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Removes containers that do not run, with everything that was written in them.
Exit status 1: one of them does not exist; 2: one of them runs.

Examples:
skiff rm web
skiff rm -af`,
		Flags: append(selectFlags(true, true, true), timeFlag(),
			toggle("Stop containers that run, and ignore those that do not exist", "force", "f"),
			toggle("Remove the containers first that share their namespaces", "depend"),
			toggle("Remove links, given as CONTAINER/ALIAS, instead of containers", "link"),
			toggle("Remove their anonymous volumes too", "volumes", "v")),
		Action: func(c *cli.Context) error { return removeContainers(app, c) },
	}
}

func removeContainers(app *App, c *cli.Context) error {
	opts := libpod.RemoveOptions{Force: c.Bool("force"), Volumes: c.Bool("volumes"), Time: timeout(c)}
	if opts.Time != nil && !opts.Force {
		return usagef("--force option must be specified to use the --time option")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if c.Bool("link") {
		return removeLinks(app, c, e)
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	depend := c.Bool("depend")
	if !opts.Force && !depend && !app.Docker {
		if opts.Needed, err = neededBeyond(e, list); err != nil {
			return err
		}
	}
	var one sync.Mutex // one after the other: two may have the same dependents
	err = each(c, app, list, func(ref string) error {
		if depend {
			one.Lock()
			defer one.Unlock()
			gone, err := e.RemoveDependents(c.Context, ref, opts)
			for _, id := range gone {
				fmt.Fprintln(app.Out, id)
			}
			if err != nil {
				return removeError(app, opts, err)
			}
		}
		return removeError(app, opts, e.Remove(c.Context, ref, opts))
	})
	if cerr := e.Collect(c.Context); err == nil {
		return cerr
	}
	return removeStatus(err)
}

// neededBeyond gives the containers that others need which do not go with them.
func neededBeyond(e *libpod.Engine, list []target) (map[string][]string, error) {
	needed, err := e.Dependents()
	if err != nil || len(needed) == 0 {
		return nil, err
	}
	goes := map[string]bool{}
	for _, t := range list {
		id, err := e.Store.Find(t.ref)
		if err != nil {
			continue // its removal says so
		}
		st, err := e.Store.Status(id)
		goes[id] = err == nil && !st.Phase.Up()
	}
	for id, others := range needed {
		needed[id] = slices.DeleteFunc(others, func(other string) bool { return goes[other] })
	}
	return needed, nil
}

// removeError is what rm says about an error of a container's removal: one that is
// not there is none with --force.
func removeError(app *App, opts libpod.RemoveOptions, err error) error {
	switch {
	case !errors.Is(err, state.ErrNotFound):
		return err
	case opts.Force && app.Docker: // says so, and is content
		return withCode(exitOK, err)
	case opts.Force:
		return errNothing
	}
	return noSuchContainer(err, "no container with ID or name %q found: no such container")
}

func removeLinks(app *App, c *cli.Context, e *libpod.Engine) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	remove := func(ref string) (string, error) { return ref, e.RemoveLink(ref) }
	return removeEach(app, c.Args().Slice(), c.Bool("force") || c.Bool("ignore"), remove, nil)
}
