package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newMount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "Mount containers' files on this machine",
		ArgsUsage: "[CONTAINER...]",
		Description: `Mounts each container's files, without its volumes, on a directory of this machine
and prints it. Without a container it lists the mounts. It needs root.

Example:
ls $(skiff mount web)/etc`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "Mount all containers"},
			&cli.StringFlag{Name: "format", Usage: "Print the list in this `form`: json"},
			&cli.BoolFlag{Name: "latest", Aliases: []string{"l"}, Usage: "Take the container made last"},
			&cli.BoolFlag{Name: "no-trunc", Aliases: []string{"notruncate"}, Usage: "Print whole IDs"},
		},
		Action: func(c *cli.Context) error { return mountContainers(app, c) },
	}
}

func mountContainers(app *App, c *cli.Context) error {
	if form := c.String("format"); form != "" && form != "json" {
		return fmt.Errorf("unknown --format argument: %q", form)
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if c.NArg() == 0 && !c.Bool("all") && !c.Bool("latest") {
		list, err := e.Mounts()
		if err != nil {
			return err
		}
		if c.String("format") == "json" {
			return printMounts(app.Out, list)
		}
		return tableOfMounts(app.Out, list, func(s libpod.Shown) string {
			if c.Bool("no-trunc") {
				return s.ID
			}
			return s.ID[:12]
		})
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range list {
		path, err := e.Mount(c.Context, t.ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(app.Out, path)
	}
	return errors.Join(errs...)
}

// printMounts prints Podman's JSON.
func printMounts(w io.Writer, list []libpod.Shown) error {
	type entry struct {
		ID         string `json:"id"`
		Names      []string
		Mountpoint string `json:"mountpoint"`
	}
	out := make([]entry, 0, len(list))
	for _, s := range list {
		out = append(out, entry{s.ID, s.Names, s.Path})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(out)
}

func tableOfMounts(w io.Writer, list []libpod.Shown, name func(libpod.Shown) string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range list {
		fmt.Fprintf(tw, "%s\t%s\n", name(s), s.Path)
	}
	return tw.Flush()
}

func newUnmount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "unmount",
		Usage:     "Unmount containers' files",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Undoes mount.

Example:
skiff unmount web`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "Unmount all containers"},
			toggle("Unmount also what is in use", "force", "f"),
			&cli.BoolFlag{Name: "latest", Aliases: []string{"l"}, Usage: "Take the container made last"},
		},
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			list, err := targets(c, e)
			if err != nil {
				return err
			}
			var errs []error
			for _, t := range list {
				undone, err := e.Unmount(t.ref, c.Bool("force"))
				errs = append(errs, err)
				if err == nil && (undone || !c.Bool("all")) {
					fmt.Fprintln(app.Out, t.shown)
				}
			}
			return errors.Join(errs...)
		},
	}
}
