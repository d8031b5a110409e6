package cmd

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/rootfs/layer"
)

func newDiff(app *App) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "Show what a container changed in its image's files",
		ArgsUsage: "CONTAINER",
		Description: `Lists the files that a container added (A), changed (C) and deleted (D), without
what is in its volumes.

Example:
skiff diff web`,
		Flags: append(diffFlags(), &cli.BoolFlag{Name: "latest", Aliases: []string{"l"}, Usage: "Take the container made last"}),
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			ref := c.Args().First()
			switch {
			case c.Bool("latest") && c.NArg() > 0:
				return usagef("--latest and containers cannot be used together")
			case c.Bool("latest"):
				ids, err := e.Select(libpod.Selection{Latest: true})
				if err != nil {
					return err
				}
				ref = ids[0]
			default:
				if err := exactly(c, 1); err != nil {
					return err
				}
			}
			changes, err := e.Diff(c.Context, ref)
			if err != nil {
				return err
			}
			return printChanges(app.Out, c.String("format"), changes)
		},
	}
}

func newImageDiff(app *App) *cli.Command {
	return &cli.Command{
		Name:      "image diff",
		Usage:     "Show how an image's files differ from another one's",
		ArgsUsage: "IMAGE [IMAGE]",
		Description: `Lists the files that the first image added (A), changed (C) and deleted (D)
compared with the second one, or with its own layers below the top one.

Example:
skiff image diff httpd`,
		Flags: diffFlags(),
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return usagef("image diff requires one or two images")
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			changes, err := e.ImageDiff(c.Context, c.Args().First(), c.Args().Get(1))
			if err != nil {
				return err
			}
			return printChanges(app.Out, c.String("format"), changes)
		},
	}
}

func diffFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "format", Usage: "Print in this `form`: json, or lines if empty"}}
}

// printChanges prints as Docker does, or as one JSON object of three lists, which
// are left out where they are empty, as Podman does.
func printChanges(w io.Writer, form string, changes []layer.Change) error {
	switch form {
	case "":
		for _, c := range changes {
			fmt.Fprintln(w, c.Kind, c.Path)
		}
		return nil
	case "json":
	default:
		return usagef("invalid format %q: only json is supported", form)
	}
	var lists struct {
		Changed []string `json:"changed,omitempty"`
		Added   []string `json:"added,omitempty"`
		Deleted []string `json:"deleted,omitempty"`
	}
	for _, c := range changes {
		switch c.Kind {
		case layer.Changed:
			lists.Changed = append(lists.Changed, c.Path)
		case layer.Added:
			lists.Added = append(lists.Added, c.Path)
		case layer.Deleted:
			lists.Deleted = append(lists.Deleted, c.Path)
		}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "     ")
	return out.Encode(lists)
}
