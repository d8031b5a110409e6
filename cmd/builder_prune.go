package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newBuilderPrune(app *App) *cli.Command {
	return &cli.Command{
		Name:  "builder prune",
		Usage: "Remove the build cache",
		Description: `Removes what builds keep of their steps, and the directories of
RUN --mount=type=cache, but for what images have the same files of: that would free
nothing. What a build uses at the moment stays. It asks first.

Examples:
skiff builder prune -f
skiff builder prune -af --filter until=24h
skiff builder prune -af --max-used-space 10gb`,
		Flags: []cli.Flag{
			toggle("Remove also what images share with the cache", "all", "a"),
			list("Remove only what matches, such as until=24h or type=exec.cachemount", "filter"),
			toggle("Do not ask", "force", "f"),
			text("Leave at most so many `bytes`, what was used last", "max-used-space"),
			text("Remove until so many `bytes` of the file system are free", "min-free-space"),
			text("Leave so many `bytes` in any case, what was used last", "reserved-space", "keep-storage"),
			toggle("Print also types and sizes", "verbose"),
			text("Builder to prune; there is only default", "builder"),
		},
		Action: func(c *cli.Context) error { return pruneBuilder(app, c) },
	}
}

func pruneBuilder(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	opt := libpod.PruneBuildOptions{All: c.Bool("all")}
	var err error
	if opt.Filters, err = libpod.ParseFilters("build cache", c.StringSlice("filter")); err != nil {
		return err
	}
	for name, to := range map[string]*int64{
		"max-used-space": &opt.Space.MaxUsed, "min-free-space": &opt.Space.MinFree, "reserved-space": &opt.Space.Reserved,
	} {
		if s := c.String(name); s != "" {
			if *to, err = parse.Size(s); err != nil {
				return usage(fmt.Errorf("invalid value %q for --%s: %w", s, name, err))
			}
		}
	}
	what := "all dangling build cache"
	if opt.All {
		what = "all build cache"
	}
	if !c.Bool("force") && !confirmed(app, "This will remove "+what+".") {
		return nil
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	freed, err := e.PruneBuildCache(opt)
	if errors.Is(err, state.ErrInvalid) {
		return err
	}
	if c.Bool("verbose") {
		for _, b := range freed.Entries {
			fmt.Fprintf(app.Out, "ID: %s\nType: %s\nDescription: %s\nSize: %s\n\n", b.ID, b.Kind, b.Title, format.Size(b.Size))
		}
	} else {
		ids := make([]string, len(freed.Entries))
		for i, b := range freed.Entries {
			ids[i] = b.ID
		}
		deleted(app, "build cache objects:", ids)
	}
	fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", format.Size(freed.Bytes))
	return err
}
