package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/state"
)

func newInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "Show all that is known of containers, images, volumes or networks",
		ArgsUsage: "NAME [NAME...]",
		Description: `Prints the documents of what NAME is the name or id of: a container, else an
image, else a volume, else a network.

Examples:
skiff inspect web
skiff inspect --format "{{.NetworkSettings.IPAddress}}" web`,
		Flags: []cli.Flag{
			text("Print in this `format`: json or a Go template", "format", "f"),
			toggle("Inspect the container made last", "latest", "l"),
			toggle("Measure the containers' files", "size", "s"),
			&cli.StringFlag{Name: "type", Aliases: []string{"t"}, Value: "all", Usage: "Look for this `type` only: all, container, image, network or volume"},
		},
		Action: func(c *cli.Context) error { return inspectThings(app, c, c.String("type")) },
	}
}

func newContainerInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "Show all that is known of containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Prints the containers' documents.

Example:
skiff container inspect --format "{{.State.Status}}" web`,
		Flags: []cli.Flag{
			text("Print in this `format`: json or a Go template", "format", "f"),
			toggle("Inspect the container made last", "latest", "l"),
			toggle("Measure the containers' files", "size", "s"),
		},
		Action: func(c *cli.Context) error { return inspectThings(app, c, "container") },
	}
}

func newImageInspect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "Show all that is known of images",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Prints the images' documents.

Example:
skiff image inspect --format "{{.Config.Cmd}}" httpd`,
		Flags: []cli.Flag{
			text("Print in this `format`: json or a Go template", "format", "f"),
		},
		Action: func(c *cli.Context) error { return inspectThings(app, c, "image") },
	}
}

// inspector finds one thing and gives its document.
type inspector func(ref string) (any, error)

func inspectThings(app *App, c *cli.Context, kind string) error {
	names := c.Args().Slice()
	if err := inspectUsage(c, kind, names); err != nil {
		return err
	}
	// A template that cannot be understood is found before anything is read.
	if want := c.String("format"); want != "" && !format.IsJSON(want) {
		if _, err := documentTemplate(app, want); err != nil {
			return err
		}
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if c.Bool("latest") {
		id, err := e.Latest()
		if err != nil {
			return err
		}
		kind, names = "container", []string{id}
	}
	find := inspectors(app, e, c.Bool("size"))
	one := find[kind]
	if kind == "all" {
		one = firstOf(find)
	}
	var docs []any
	var errs []error
	for _, name := range names {
		doc, err := one(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, doc)
	}
	return errors.Join(append([]error{documents(app, c.String("format"), docs)}, errs...)...)
}

func inspectUsage(c *cli.Context, kind string, names []string) error {
	latest := c.Bool("latest")
	switch {
	case !oneOf(kind, "all", "container", "image", "network", "volume"):
		return usagef("invalid type %q: must be \"all\", \"container\", \"image\", \"network\" or \"volume\"", kind)
	case latest && len(names) > 0:
		return usagef("--latest and arguments cannot be used together")
	case latest && kind != "all" && kind != "container":
		return usagef("latest is not supported for type %q", kind)
	case c.Bool("size") && kind != "all" && kind != "container":
		return usagef("size is not supported for type %q", kind)
	case !latest && len(names) == 0:
		return usagef("no names or ids specified")
	}
	return nil
}

// namedByPodman gives the default network the name that scripts written for Podman
// look for, where skiff is called by its name.
func namedByPodman(app *App, doc *inspect.ContainerDocument) *inspect.ContainerDocument {
	nets := doc.NetworkSettings.Networks
	if name := app.networkName(state.DefaultNetwork); nets[state.DefaultNetwork] != nil && nets[name] == nil {
		nets[name] = nets[state.DefaultNetwork]
		nets[name].NetworkID = name
		delete(nets, state.DefaultNetwork)
	}
	return doc
}

// networkName is what a network is called in what is shown.
func (app *App) networkName(name string) string {
	if app.Name == "podman" && name == state.DefaultNetwork {
		return "podman"
	}
	return name
}

func inspectors(app *App, e *libpod.Engine, size bool) map[string]inspector {
	return map[string]inspector{
		"container": func(ref string) (any, error) {
			c, err := e.ContainerInspect(ref, size)
			if err != nil {
				return nil, noSuchContainer(err, "no such container %q")
			}
			if app.Docker {
				return c.Docker(), nil
			}
			return namedByPodman(app, c.Podman()), nil
		},
		"image": func(ref string) (any, error) {
			i, err := e.ImageInspect(ref)
			if err != nil {
				return nil, err
			}
			if app.Docker {
				return i.Docker(), nil
			}
			return i.Podman(), nil
		},
		"volume": func(ref string) (any, error) {
			v, err := e.Volume(ref)
			if err != nil {
				return nil, err
			}
			return volumeDocument(app, v), nil
		},
		"network": func(ref string) (any, error) {
			r, containers, err := e.NetworkInspect(ref)
			if err != nil {
				return nil, err
			}
			if app.Docker {
				return inspect.NetworkForDocker(r, containers), nil
			}
			return inspect.Network(r, containers), nil
		},
	}
}

// firstOf looks for one kind of thing after the other.
func firstOf(find map[string]inspector) inspector {
	return func(ref string) (any, error) {
		for _, kind := range []string{"container", "image", "volume", "network"} {
			doc, err := find[kind](ref)
			if err == nil || !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrInvalid) {
				return doc, err
			}
		}
		return nil, &state.MissingError{Text: fmt.Sprintf("no such object: %q", ref), Thing: "object", Ref: ref}
	}
}
