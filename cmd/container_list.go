package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newPs(app *App) *cli.Command {
	return &cli.Command{
		Name:      "ps",
		Usage:     "List containers",
		ArgsUsage: "",
		Description: `Lists the containers that run, or with --all all containers.

Examples:
skiff ps -a
skiff ps --filter status=exited --format "table {{.Names}} {{.Status}}"`,
		Flags: append(formatFlags(),
			toggle("List containers that do not run, too", "all", "a"),
			toggle("List containers of other programs, too (skiff keeps none)", "external"),
			list("List the containers that match, such as status=exited", "filter", "f"),
			&cli.IntFlag{Name: "last", Aliases: []string{"n"}, Value: -1, Usage: "List the `n` containers made last, whatever their state"},
			toggle("List the container made last, whatever its state", "latest", "l"),
			toggle("Print the namespaces", "ns", "namespace"),
			toggle("Print the pod (skiff has no pods)", "pod", "p"),
			toggle("Print ids only", "quiet", "q"),
			toggle("Print the sizes of the containers' files", "size", "s"),
			text("Sort by command, created, id, image, names, runningfor, size or status", "sort"),
			toggle("Look at the processes themselves (skiff always does)", "sync"),
			&cli.UintFlag{Name: "watch", Aliases: []string{"w"}, Usage: "Print again every so many `seconds`"},
		),
		Action: func(c *cli.Context) error { return listContainers(app, c) },
	}
}

// psOptions are ps's options, checked.
type psOptions struct {
	list                    libpod.ListOptions
	format, sort            string
	quiet, noTrunc, heading bool
	pod                     bool
}

func listContainers(app *App, c *cli.Context) error {
	opt, err := psFlags(app, c)
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	every := time.Duration(c.Uint("watch")) * time.Second
	for {
		if every > 0 {
			fmt.Fprint(app.Out, "\x1b[H\x1b[2J")
		}
		if err := psOnce(app, e, opt); err != nil || every == 0 {
			return err
		}
		if waitFor(c.Context, every) != nil {
			return nil
		}
	}
}

// waitFor waits for d, or until ctx ends.
func waitFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func psFlags(app *App, c *cli.Context) (psOptions, error) {
	opt := psOptions{
		format: app.listFormat(c, func(d dockerConfig) string { return d.PsFormat }), sort: c.String("sort"), quiet: c.Bool("quiet"), noTrunc: c.Bool("no-trunc"),
		heading: !c.Bool("noheading"), pod: c.Bool("pod"),
		list: libpod.ListOptions{All: c.Bool("all"), Size: c.Bool("size"), Namespaces: c.Bool("ns"), Last: max(c.Int("last"), 0)},
	}
	if c.Bool("latest") {
		opt.list.Last = 1
	}
	switch {
	case c.NArg() > 0:
		return opt, usagef("the command takes no arguments")
	case c.Bool("latest") && c.Int("last") >= 0:
		return opt, usagef("last and latest are mutually exclusive")
	case opt.quiet && (opt.list.Size && !app.Docker || opt.list.Namespaces):
		return opt, usagef("quiet conflicts with size and namespace")
	case opt.list.Size && opt.list.Namespaces:
		return opt, usagef("size and namespace options conflict")
	case c.Uint("watch") > 0 && c.Bool("latest"):
		return opt, usagef("the watch and latest flags cannot be used together")
	case opt.sort != "" && !oneOf(opt.sort, "command", "created", "id", "image", "names", "runningfor", "size", "status"):
		return opt, usagef("invalid value %q for --sort: want command, created, id, image, names, runningfor, size or status", opt.sort)
	}
	var err error
	opt.list.Filters, err = libpod.ParseFilters("container", c.StringSlice("filter"))
	// A template may name what is only looked up when it is asked for.
	opt.list.Size = opt.list.Size || opt.sort == "size" || strings.Contains(opt.format, ".Size") || app.Docker && format.IsJSON(opt.format)
	opt.list.Namespaces = opt.list.Namespaces || namesNamespace(opt.format)
	opt.list.Leaving = !opt.quiet // ids are for other commands, which do not find those
	return opt, err
}

func namesNamespace(want string) bool {
	for _, f := range []string{".Namespaces", ".Cgroup", ".IPC", ".MNT", ".NET", ".PIDNS", ".User", ".UTS"} {
		if strings.Contains(want, f) {
			return true
		}
	}
	return false
}

func psOnce(app *App, e *libpod.Engine, opt psOptions) error {
	found, err := e.ContainerList(opt.list)
	if err != nil {
		return err
	}
	now := time.Now()
	rows := make([]psRow, 0, len(found))
	for i := range found {
		rows = append(rows, psRow{c: &found[i], now: now, noTrunc: opt.noTrunc, docker: app.Docker})
	}
	sortContainers(rows, opt.sort, app.Docker)
	if opt.quiet && (opt.format == "" || app.Docker) {
		var ids strings.Builder
		for _, r := range rows {
			ids.WriteString(r.ID() + "\n")
		}
		_, err := io.WriteString(app.Out, ids.String())
		return err
	}
	l := psListing(opt)
	if app.Docker {
		l.heads["RunningFor"] = "CREATED"
	}
	return l.print(app, opt.format, rows)
}

func psListing(opt psOptions) listing[psRow] {
	l := listing[psRow]{
		heads: psHeads(), fields: psRow.fields, noHeading: !opt.heading,
		document: func(rows []psRow) any {
			docs := make([]any, len(rows))
			for i, r := range rows {
				docs[i] = r.c.Listed(r.Status(), r.CreatedHuman())
			}
			return docs
		},
		columns: []format.Column[psRow]{
			{Head: "CONTAINER ID", Cell: psRow.ID}, {Head: "IMAGE", Cell: psRow.Image},
			{Head: "COMMAND", Cell: psRow.Command}, {Head: "CREATED", Cell: psRow.CreatedHuman},
			{Head: "STATUS", Cell: psRow.Status}, {Head: "PORTS", Cell: psRow.Ports}, {Head: "NAMES", Cell: psRow.Names},
		},
	}
	if opt.pod {
		l.columns = append(l.columns, format.Column[psRow]{Head: "POD ID", Cell: psRow.Pod}, format.Column[psRow]{Head: "PODNAME", Cell: psRow.PodName})
	}
	switch {
	case opt.list.Namespaces && !namesNamespace(opt.format):
		l.columns = []format.Column[psRow]{
			{Head: "CONTAINER ID", Cell: psRow.ID}, {Head: "NAMES", Cell: psRow.Names},
			{Head: "PID", Cell: func(r psRow) string { return fmt.Sprint(r.Pid()) }},
			{Head: "CGROUPNS", Cell: psRow.Cgroup}, {Head: "IPC", Cell: psRow.IPC}, {Head: "MNT", Cell: psRow.MNT},
			{Head: "NET", Cell: psRow.NET}, {Head: "PIDNS", Cell: psRow.PIDNS}, {Head: "USERNS", Cell: psRow.User},
			{Head: "UTS", Cell: psRow.UTS},
		}
	case opt.list.Size && opt.sort != "size":
		l.columns = append(l.columns, format.Column[psRow]{Head: "SIZE", Cell: psRow.Size})
	}
	return l
}

// sortContainers sorts rows that come the oldest first. Docker's own order is
// the newest first.
func sortContainers(rows []psRow, by string, docker bool) {
	compare := map[string]func(a, b psRow) int{
		"command": func(a, b psRow) int {
			return slices.Compare(a.c.Config.Process.Args(), b.c.Config.Process.Args())
		},
		"id":    func(a, b psRow) int { return cmp.Compare(a.c.Config.ID, b.c.Config.ID) },
		"image": func(a, b psRow) int { return cmp.Compare(a.c.Config.Image.Name, b.c.Config.Image.Name) },
		"names": func(a, b psRow) int { return cmp.Compare(a.c.Config.Name, b.c.Config.Name) },
		"runningfor": func(a, b psRow) int {
			return a.c.Status.StartedAt.Compare(b.c.Status.StartedAt)
		},
		"size": func(a, b psRow) int { return cmp.Compare(*a.c.SizeRoot, *b.c.SizeRoot) },
		"status": func(a, b psRow) int {
			return cmp.Compare(a.c.Status.Phase, b.c.Status.Phase)
		},
	}[by]
	switch {
	case compare != nil:
		slices.SortStableFunc(rows, compare)
	case docker && by == "":
		slices.Reverse(rows)
	}
}
