package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/rootfs/imagecall"
)

func newManifestPush(app *App) *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "Send a list of images to a registry",
		ArgsUsage: "LIST [DESTINATION]",
		Description: `Sends a list and the images that it names to the registry that its name or
DESTINATION says, which may also be a place for several images
(oci:DIRECTORY, oci-archive:FILE, dir:DIRECTORY).

Examples:
skiff manifest push registry.example.com/team/app:1.2
skiff manifest push --rm app:1.2 docker://registry.example.com/team/app:1.2
skiff manifest push --add-compression zstd app:1.2 registry.example.com/team/app:1.2`,
		Flags: append(append(registryFlags(), retryFlags(app, "push")...), credsFlag(), insecureFlag(),
			list("Send each image once more, compressed with gzip, zstd or zstd:chunked", "add-compression"),
			&cli.BoolFlag{Name: "all", Value: true, Usage: "Send the images, too, and not only the list"},
			text("Compress layers with gzip, zstd or zstd:chunked", "compression-format"),
			number("Compress layers that much", "compression-level"),
			text("Write the digest of what was sent to this file", "digestfile"),
			toggle("Compress again what the registry has in another compression (default with --compression-format)", "force-compression"),
			text("Manifest type to send: oci or v2s2", "format", "f"),
			toggle("Remove the list after it was sent", "purge", "p"),
			toggle("Print no progress", "quiet", "q"),
			toggle("Leave signatures out", "remove-signatures"),
			toggle("Remove the list after it was sent", "rm"),
		),
		Action: func(c *cli.Context) error { return pushManifest(app, c) },
	}
}

func pushManifest(app *App, c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 1 || len(args) > 2 {
		return usagef("push requires a list and at most one destination")
	}
	for i, what := range []string{"image name", "destination"} {
		if i < len(args) && args[i] == "" {
			return usage(fmt.Errorf("invalid %s %q", what, args[i]))
		}
	}
	x := &imagecall.Index{
		Do: imagecall.IndexPush, All: c.Bool("all"), Remove: c.Bool("rm") || c.Bool("purge"),
		AddCompression: commas(c.StringSlice("add-compression")),
		KeepCompressed: c.IsSet("force-compression") && !c.Bool("force-compression"),
	}
	for _, format := range append(x.AddCompression, c.String("compression-format")) {
		if !oneOf(format, "", "gzip", "zstd", "zstd:chunked") {
			return usage(fmt.Errorf("unknown compression format %q: want gzip, zstd or zstd:chunked", format))
		}
	}
	if c.IsSet("compression-level") {
		level := c.Int("compression-level")
		x.CompressionLevel = &level
	}
	req, err := indexRequest(app, c, x, args...)
	if err != nil {
		return err
	}
	req.Quiet, req.RemoveSignatures = c.Bool("quiet"), c.Bool("remove-signatures")
	req.CompressionFormat, req.DigestFile, req.ManifestFormat = c.String("compression-format"), c.String("digestfile"), c.String("format")
	if req.ManifestFormat == "docker" {
		req.ManifestFormat = "v2s2"
	}
	if !oneOf(req.ManifestFormat, "", "oci", "v2s2") {
		return usage(fmt.Errorf("unknown format %q. Choose one of the supported formats: 'oci' or 'v2s2'", c.String("format")))
	}
	res, err := callIndex(app, c, req)
	if err == nil && app.Docker && len(res.Images) > 0 {
		fmt.Fprintln(app.Out, res.Images[0].Digest)
	}
	return err
}
