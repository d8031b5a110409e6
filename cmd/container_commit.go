package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newCommit(app *App) *cli.Command {
	return &cli.Command{
		Name:      "commit",
		Usage:     "Make an image of a container",
		ArgsUsage: "CONTAINER [IMAGE]",
		Description: `Makes an image of a container's files, without its volumes, and of the command,
environment and labels that it has, and prints its id.

Examples:
skiff commit web mysite:1
skiff commit -c "CMD /usr/local/bin/serve" web mysite:2`,
		Flags: []cli.Flag{
			text("Name the image's author", "author", "a"),
			list("Set a property of the image with a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR", "change", "c"),
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "Make an image of this `format`: oci or docker (default \"oci\")"},
			text("Write the image's id to this file", "iidfile"),
			toggle("Give the image the volumes that the container has", "include-volumes"),
			text("Note this in the image's history (docker format)", "message", "m"),
			&cli.BoolFlag{Name: "pause", Aliases: []string{"p"}, Value: app.Docker, Usage: "Freeze the container meanwhile"},
			toggle("Print the id only", "quiet", "q"),
			toggle("Make an image of one layer, without those of the container's image", "squash", "s"),
		},
		Action: func(c *cli.Context) error { return commitContainer(app, c) },
	}
}

func commitContainer(app *App, c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usagef("commit requires a container and at most one name for the image")
	}
	form := c.String("format")
	if form == "" && app.Docker {
		form = "docker"
	}
	switch {
	case !oneOf(form, "", "oci", "docker"):
		return usage(fmt.Errorf("unrecognized image format %q: want oci or docker", form))
	case c.String("message") != "" && form != "docker":
		return errors.New("messages are only compatible with the docker image format (-f docker)")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	s := app.streams()
	s.In, s.Out = nil, nil
	res, err := e.Commit(c.Context, c.Args().First(), libpod.CommitOptions{
		Name: c.Args().Get(1), Author: c.String("author"), Message: c.String("message"),
		Changes: c.StringSlice("change"), Docker: form == "docker", Pause: c.Bool("pause"),
		Quiet: c.Bool("quiet") || app.Docker, Volumes: c.Bool("include-volumes"), Squash: c.Bool("squash"),
	}, s)
	for _, i := range res.Images {
		if file := c.String("iidfile"); file != "" {
			err = errors.Join(err, os.WriteFile(file, []byte("sha256:"+i.ID), 0o644))
		}
		if app.Docker {
			fmt.Fprint(app.Out, "sha256:")
		}
		fmt.Fprintln(app.Out, i.ID)
	}
	return errors.Join(append([]error{err}, libpod.ToolErrors(res)...)...)
}
