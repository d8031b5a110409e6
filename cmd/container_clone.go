package cmd

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newClone(app *App) *cli.Command {
	flags := slices.DeleteFunc(resourceFlags(), func(f cli.Flag) bool {
		return oneOf(f.Names()[0], "oom-kill-disable", "oom-score-adj", "shm-size", "cgroup-parent")
	})
	return &cli.Command{
		Name:      "container clone",
		Usage:     "Make a copy of a container",
		ArgsUsage: "CONTAINER [NAME [IMAGE]]",
		Description: `Makes a container with the configuration and the volumes of another one, and prints
its ID. What the other one has written elsewhere is not copied.

Examples:
skiff container clone web
skiff container clone --destroy --memory 512m --run web web2 httpd:2.4`,
		Flags: append(flags,
			text("Name of the copy, CONTAINER-clone by default", "name"),
			toggle("Remove the container that is copied", "destroy"),
			toggle("With --destroy also one that runs", "force", "f"),
			toggle("Start the copy in the background", "run")),
		Action: func(c *cli.Context) error { return cloneContainer(app, c) },
	}
}

func cloneContainer(app *App, c *cli.Context) error {
	req, err := cloneRequest(app, c)
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	id, err := e.Clone(c.Context, c.Args().First(), req)
	if id != "" {
		fmt.Fprintln(app.Out, id)
	}
	if err != nil || !c.Bool("run") {
		return err
	}
	_, err = e.Start(c.Context, id, libpod.StartOptions{})
	return err
}

func cloneRequest(app *App, c *cli.Context) (libpod.CloneRequest, error) {
	req := libpod.CloneRequest{Destroy: c.Bool("destroy"), Force: c.Bool("force"), Image: c.Args().Get(2)}
	name := c.Args().Get(1)
	switch {
	case c.NArg() < 1 || c.NArg() > 3:
		return req, usagef("accepts between 1 and 3 arg(s), received %d", c.NArg())
	case req.Force && !req.Destroy:
		return req, usagef("cannot set --force without --destroy")
	case name != "" && c.IsSet("name"):
		return req, usagef("cannot set --name %q and the name %q", c.String("name"), name)
	case name == "":
		name = c.String("name")
	}
	f := &form{c: c, cfg: &state.Config{}, warn: app.Log.Warn, docker: app.Docker}
	for _, step := range []func(){f.memory, f.cpu, f.blockIO, f.limits} {
		step()
	}
	if name != "" && f.err == nil {
		req.Name, f.err = parse.Name(name)
	}
	if f.err != nil {
		return req, usage(f.err)
	}
	req.Change = func(cfg *state.Config) error {
		changeLimits(&cfg.Resources, f.cfg.Resources)
		for _, u := range f.cfg.Ulimits {
			replace(&cfg.Ulimits, u, func(o state.Ulimit) bool { return o.Name == u.Name })
		}
		return nil
	}
	return req, nil
}
