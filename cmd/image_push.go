package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod/inspect"
	"skiff/rootfs/imagecall"
)

func newPush(app *App) *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "Send an image to a registry",
		ArgsUsage: "IMAGE [DESTINATION]",
		Description: `Sends an image to the registry that its name or DESTINATION says, which may
also be an archive (docker-archive:FILE, oci-archive:FILE, oci:DIRECTORY,
dir:DIRECTORY).

Examples:
skiff push registry.example.com/team/app:1.2
skiff push app registry.example.com/team/app:1.2`,
		Flags: append(append(registryFlags(), retryFlags(app, "push")...), credsFlag(),
			toggle("Send all tags of the repository", "all-tags", "a"),
			toggle("Compress layers for a dir: destination", "compress"),
			text("Compress layers with gzip, zstd or zstd:chunked", "compression-format"),
			text("Write the digest of what was sent to this file", "digestfile"),
			toggle("Accepted for docker's sake; policy.json says what is trusted", "disable-content-trust"),
			text("Manifest type to send: oci, v2s2 or v2s1", "format", "f"),
			toggle("Print no progress", "quiet", "q"),
			toggle("Leave signatures out", "remove-signatures"),
		),
		Action: func(c *cli.Context) error { return pushImage(app, c) },
	}
}

func pushImage(app *App, c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 1 || len(args) > 2 || c.Bool("all-tags") && len(args) > 1 {
		return usagef("push requires an image and at most one destination")
	}
	req := imagecall.Request{
		Op: imagecall.OpPush, Quiet: c.Bool("quiet"), CompressionFormat: c.String("compression-format"),
		ManifestFormat: c.String("format"), DigestFile: c.String("digestfile"), RemoveSignatures: c.Bool("remove-signatures"),
	}
	if req.CompressionFormat == "" && c.Bool("compress") {
		req.CompressionFormat = "gzip"
	}
	if !oneOf(req.CompressionFormat, "", "gzip", "zstd", "zstd:chunked") {
		return usage(fmt.Errorf("unknown compression format %q: want gzip, zstd or zstd:chunked", req.CompressionFormat))
	}
	if req.ManifestFormat == "docker" {
		req.ManifestFormat = "v2s2"
	}
	if !oneOf(req.ManifestFormat, "", "oci", "v2s2", "v2s1") {
		return usage(fmt.Errorf("unknown format %q: choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'", req.ManifestFormat))
	}
	if err := registryRequest(app, c, &req); err != nil {
		return err
	}
	pushes := [][]string{args}
	if c.Bool("all-tags") {
		var err error
		if pushes, err = allTags(app, args[0]); err != nil {
			return err
		}
	}
	var errs []error
	for _, images := range pushes {
		req.Images = images
		s := app.streams()
		s.In, s.Out = nil, nil
		res, err := callImages(app, c, req, s)
		errs = append(errs, err)
		for _, i := range res.Images {
			if app.Docker && !req.Quiet && i.Digest != "" {
				_, tag := inspect.SplitName(i.Name)
				fmt.Fprintf(app.Out, "%s: digest: %s\n", tag, i.Digest)
			}
		}
	}
	return errors.Join(errs...)
}

// allTags are the names of a repository that are here.
func allTags(app *App, repository string) ([][]string, error) {
	e, err := app.Engine()
	if err != nil {
		return nil, err
	}
	images, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, i := range images {
		for _, n := range i.Names {
			if repo, _ := inspect.SplitName(n); repo == repository || inspect.Familiar(repo) == inspect.Familiar(repository) {
				out = append(out, []string{n})
			}
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s: image not known: no tag of it is here", repository)
	}
	return out, nil
}
