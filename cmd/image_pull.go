package cmd

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"skiff/libpod/inspect"
	"skiff/rootfs/imagecall"
)

func newPull(app *App) *cli.Command {
	flags := append(append(registryFlags(), platformFlags()...), retryFlags(app, "pull")...)
	return &cli.Command{
		Name:      "pull",
		Usage:     "Get images from a registry",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Gets images from their registries, or from archives (docker-archive:FILE,
oci-archive:FILE, oci:DIRECTORY, dir:DIRECTORY), and prints their ids.

Examples:
skiff pull httpd
skiff pull --platform linux/arm64 registry.example.com/team/app:1.2`,
		Flags: append(flags, credsFlag(),
			toggle("Get all tags of the repository", "all-tags", "a"),
			toggle("Accepted for docker's sake; policy.json says what is trusted", "disable-content-trust"),
			&cli.StringFlag{Name: "policy", Value: "always", Usage: "When to ask the registry: always, missing, never or newer"},
			toggle("Print nothing but the ids", "quiet", "q"),
		),
		Action: func(c *cli.Context) error { return pullImages(app, c) },
	}
}

func pullImages(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	req := imagecall.Request{
		Op: imagecall.OpPull, Images: c.Args().Slice(), Quiet: c.Bool("quiet"),
		AllTags: c.Bool("all-tags"), Policy: c.String("policy"),
	}
	if !oneOf(req.Policy, "always", "missing", "never", "newer", "ifnotpresent", "ifnewer") {
		return usage(fmt.Errorf("unsupported pull policy %q", req.Policy))
	}
	switch req.Policy {
	case "ifnotpresent":
		req.Policy = "missing"
	case "ifnewer":
		req.Policy = "newer"
	}
	var err error
	if req.Platform, err = platform(c, runtime.GOARCH); err != nil {
		return err
	}
	if err := registryRequest(app, c, &req); err != nil {
		return err
	}
	s := app.streams()
	s.In, s.Out = nil, nil
	res, err := callImages(app, c, req, s)
	for _, i := range res.Images {
		printPulled(app, i, req.Quiet)
	}
	return err
}

func printPulled(app *App, i imagecall.Image, quiet bool) {
	if !app.Docker {
		fmt.Fprintln(app.Out, i.ID)
		return
	}
	if !quiet {
		if i.Digest != "" {
			fmt.Fprintf(app.Out, "Digest: %s\n", i.Digest)
		}
		what := "Image is up to date"
		if i.Changed {
			what = "Downloaded newer image"
		}
		fmt.Fprintf(app.Out, "Status: %s for %s\n", what, inspect.Familiar(i.Name))
	}
	fmt.Fprintln(app.Out, i.Name)
}
