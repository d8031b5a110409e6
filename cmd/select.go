package cmd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

// parallel bounds how many containers one command works on at a time.
const parallel = 16

// selectFlags are the options by which a command finds its containers other
// than by name. filterShort is the short name of --filter, where it is free.
func selectFlags(all, cidfile, ignore bool, filterShort ...string) []cli.Flag {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "latest", Aliases: []string{"l"}, Usage: "Take the container made last"},
		&cli.StringSliceFlag{Name: "filter", Aliases: filterShort, Usage: "Take the containers that match, such as label=app"},
	}
	if all {
		flags = append(flags, &cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "Take all containers"})
	}
	if cidfile {
		flags = append(flags, &cli.StringSliceFlag{Name: "cidfile", Usage: "Take the container whose ID is in the file"})
	}
	if ignore {
		flags = append(flags, &cli.BoolFlag{Name: "ignore", Aliases: []string{"i"}, Usage: "Do not complain about containers that do not exist"})
	}
	return flags
}

// errNothing is what work for a container comes to that had nothing to do and is
// not to be printed.
var errNothing = errors.New("nothing to do")

// target is a container that a command works on: the word that is printed for
// it, and what the engine finds it by.
type target struct{ shown, ref string }

// targets reads selectFlags and the names.
func targets(c *cli.Context, e *libpod.Engine) ([]target, error) {
	all, latest := c.Bool("all"), c.Bool("latest")
	filters, cidfiles := c.StringSlice("filter"), c.StringSlice("cidfile")
	names := c.Args().Slice()
	switch {
	case all && latest:
		return nil, usagef("--all and --latest cannot be used together")
	case (all || latest) && len(names) > 0:
		return nil, usagef("--%s and containers cannot be used together", map[bool]string{true: "all", false: "latest"}[all])
	case (all || latest) && len(cidfiles) > 0:
		return nil, usagef("--cidfile cannot be used together with --all or --latest")
	}
	var out []target
	if all || latest || len(filters) > 0 {
		ids, err := e.Select(libpod.Selection{
			Refs: names, All: all || len(names) == 0 && !latest, Latest: latest,
			Filters: filters, Ignore: c.Bool("ignore"),
		})
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			out = append(out, target{typed(e, names, id), id})
		}
		return out, nil
	}
	for _, file := range cidfiles {
		id, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && c.Bool("ignore") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading CIDFile: %w", err)
		}
		ref := strings.TrimSpace(strings.SplitN(string(id), "\n", 2)[0])
		out = append(out, target{ref, ref})
	}
	for _, n := range names {
		out = append(out, target{n, n})
	}
	if len(out) == 0 && len(cidfiles) == 0 {
		return nil, usagef("you must provide at least one container name or ID")
	}
	return out, nil
}

// typed is the word that found a container, or its id.
func typed(e *libpod.Engine, words []string, id string) string {
	for _, w := range words {
		if found, err := e.Store.Find(w); err == nil && found == id {
			return w
		}
	}
	return id
}

// only keeps the targets in one of the phases, for --all and --filter, which mean
// those containers that the command can do something to. Names mean what they say.
func only(c *cli.Context, e *libpod.Engine, list []target, phases ...state.Phase) []target {
	if c.NArg() > 0 || !c.Bool("all") && len(c.StringSlice("filter")) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(t target) bool {
		st, err := e.Store.Status(t.ref)
		return err == nil && !slices.Contains(phases, st.Phase)
	})
}

// each does work for every target, several at a time, prints the ones that
// succeeded in the order in which they were given, and gathers the errors of
// the rest.
func each(c *cli.Context, app *App, list []target, work func(ref string) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range list {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			errs[i] = work(list[i].ref)
		}()
	}
	wg.Wait()
	var failed []error
	for i, t := range list {
		switch {
		case errs[i] == nil:
			fmt.Fprintln(app.Out, t.shown)
		case errors.Is(errs[i], state.ErrNotFound) && c.Bool("ignore"), errors.Is(errs[i], errNothing):
		default:
			failed = append(failed, errs[i])
		}
	}
	return errors.Join(failed...)
}

// onContainers is the action of a command that does one thing to each of its
// containers.
//
// With phases --all and --filter take only containers in one of them.
func onContainers(app *App, work func(c *cli.Context, e *libpod.Engine, ref string) error, phases ...state.Phase) cli.ActionFunc {
	return func(c *cli.Context) error {
		e, err := app.Engine()
		if err != nil {
			return err
		}
		list, err := targets(c, e)
		if err != nil {
			return err
		}
		if len(phases) > 0 {
			list = only(c, e, list, phases...)
		}
		return each(c, app, list, func(ref string) error { return work(c, e, ref) })
	}
}

// exactly checks the number of words after the options.
func exactly(c *cli.Context, n int) error {
	if c.NArg() == n {
		return nil
	}
	if n == 0 {
		return usagef("the command takes no arguments")
	}
	return usagef("the command requires exactly %d arg(s), received %d", n, c.NArg())
}

// atLeast checks that there are enough words after the options.
func atLeast(c *cli.Context, n int) error {
	if c.NArg() < n {
		return usagef("the command requires at least %d arg(s), only received %d", n, c.NArg())
	}
	return nil
}
