package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newImageMount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "image mount",
		Usage:     "Mount images' files on this machine, read-only",
		ArgsUsage: "[IMAGE...]",
		Description: `Mounts each image's files on a directory of this machine and prints it. Without an
image it lists the mounts. It needs root.

Example:
ls $(skiff image mount httpd)/etc`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "Mount all images"},
			&cli.StringFlag{Name: "format", Usage: "Print the list in this `form`: json"},
		},
		Action: func(c *cli.Context) error { return mountImages(app, c) },
	}
}

func mountImages(app *App, c *cli.Context) error {
	form, all := c.String("format"), c.Bool("all")
	switch {
	case all && c.NArg() > 0:
		return errors.New("when using the --all switch, you may not pass any image names or IDs")
	case form != "" && form != "json":
		return fmt.Errorf("unknown --format argument: %q", form)
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var list []libpod.Shown
	var errs []error
	refs, err := imageRefs(c, e)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		s, err := e.ImageMount(ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, s)
	}
	if len(refs) == 0 {
		if list, err = e.ImageMounts(); err != nil {
			return err
		}
	}
	switch {
	case form == "json":
		errs = append(errs, printMounts(app.Out, list))
	case c.NArg() == 1 && len(list) == 1:
		fmt.Fprintln(app.Out, list[0].Path)
	default:
		errs = append(errs, tableOfMounts(app.Out, list, func(s libpod.Shown) string {
			if len(s.Names) > 0 {
				return s.Names[0]
			}
			return s.ID
		}))
	}
	return errors.Join(errs...)
}

// imageRefs are the images of the command line, or with --all those there are.
func imageRefs(c *cli.Context, e *libpod.Engine) ([]string, error) {
	if !c.Bool("all") {
		return c.Args().Slice(), nil
	}
	images, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, i := range images {
		refs = append(refs, i.ID)
	}
	return refs, nil
}

func newImageUnmount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "image unmount",
		Usage:     "Unmount images' files",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Undoes image mount and prints the ids of the images that were mounted.

Example:
skiff image unmount httpd`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "Unmount all images"},
			toggle("Unmount also what is in use", "force", "f"),
		},
		Action: func(c *cli.Context) error {
			switch {
			case c.Bool("all") && c.NArg() > 0:
				return errors.New("when using the --all switch, you may not pass any image names or IDs")
			case !c.Bool("all") && c.NArg() == 0:
				return usagef("image name or ID must be specified")
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			refs, err := imageRefs(c, e)
			if err != nil {
				return err
			}
			var errs []error
			for _, ref := range refs {
				id, err := e.ImageUnmount(ref, c.Bool("force"))
				errs = append(errs, err)
				if err == nil && id != "" {
					fmt.Fprintln(app.Out, id)
				}
			}
			return errors.Join(errs...)
		},
	}
}
