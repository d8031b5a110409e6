package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/rootfs/imagecall"
)

func newTag(app *App) *cli.Command {
	return &cli.Command{
		Name:      "tag",
		Usage:     "Give an image another name",
		ArgsUsage: "IMAGE NAME [NAME...]",
		Description: `Adds names to an image. A name without a registry is localhost's, one without a
tag gets the tag latest.

Example:
skiff tag httpd registry.example.com/team/web:1`,
		Action: func(c *cli.Context) error {
			if err := atLeast(c, 2); err != nil {
				return err
			}
			_, err := callImages(app, c, imagecall.Request{Op: imagecall.OpTag, Images: c.Args().Slice()}, libpod.Streams{})
			return err
		},
	}
}

func newUntag(app *App) *cli.Command {
	return &cli.Command{
		Name:      "untag",
		Usage:     "Take names away from an image",
		ArgsUsage: "IMAGE [NAME...]",
		Description: `Takes names away from an image, all of them where none is given. The image stays.

Example:
skiff untag httpd registry.example.com/team/web:1`,
		Action: func(c *cli.Context) error {
			if err := atLeast(c, 1); err != nil {
				return err
			}
			_, err := callImages(app, c, imagecall.Request{Op: imagecall.OpUntag, Images: c.Args().Slice()}, libpod.Streams{})
			return err
		},
	}
}

// printRemoved prints the steps of a removal.
func printRemoved(app *App, removed []imagecall.Removed) {
	for _, r := range removed {
		switch {
		case r.Untagged != "" && app.Docker:
			fmt.Fprintln(app.Out, "Untagged: "+inspect.Familiar(r.Untagged))
		case r.Untagged != "":
			fmt.Fprintln(app.Out, "Untagged: "+r.Untagged)
		case r.Deleted != "" && app.Docker:
			fmt.Fprintln(app.Out, "Deleted: sha256:"+r.Deleted)
		case r.Deleted != "":
			fmt.Fprintln(app.Out, "Deleted: "+r.Deleted)
		}
	}
}
