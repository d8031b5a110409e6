package cmd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/libpod/inspect"
	"skiff/rootfs/imagecall"
)

func newLoad(app *App) *cli.Command {
	return &cli.Command{
		Name:      "load",
		Usage:     "Read images from an archive",
		ArgsUsage: "",
		Description: `Reads the images of an archive that save has written: docker-archive,
oci-archive or a directory of either. Without --input it is standard input; the
input can be a URL.

Example:
skiff load -i images.tar`,
		Flags: []cli.Flag{
			text("Read from this file instead of standard input", "input", "i"),
			text("Read the image for this `OS/ARCH[/VARIANT]`", "platform"),
			toggle("Print no progress", "quiet", "q"),
		},
		Action: func(c *cli.Context) error { return loadImages(app, c) },
	}
}

func loadImages(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	req := imagecall.Request{
		Op: imagecall.OpLoad, Input: c.String("input"), Quiet: c.Bool("quiet") || app.Docker, Platform: c.String("platform"),
	}
	if req.Input == "" && isTerminal(app.In) {
		return errors.New("cannot read from terminal, use command-line redirection or the --input flag")
	}
	if req.Input != "" && req.Input != "-" && !strings.HasPrefix(req.Input, "http://") && !strings.HasPrefix(req.Input, "https://") {
		if _, err := os.Stat(req.Input); err != nil {
			return err
		}
	}
	s := app.streams()
	s.Out = nil
	res, err := callImages(app, c, req, s)
	for _, i := range res.Images {
		switch {
		case i.Name == "" && app.Docker:
			fmt.Fprintln(app.Out, "Loaded image ID: sha256:"+i.ID)
		case i.Name == "":
			fmt.Fprintln(app.Out, "Loaded image: sha256:"+i.ID)
		case app.Docker:
			fmt.Fprintln(app.Out, "Loaded image: "+inspect.Familiar(i.Name))
		default:
			fmt.Fprintln(app.Out, "Loaded image: "+i.Name)
		}
	}
	return err
}

func newSave(app *App) *cli.Command {
	return &cli.Command{
		Name:      "save",
		Usage:     "Write images into an archive",
		ArgsUsage: "IMAGE [IMAGE...]",
		Description: `Writes images, with their names and history, into an archive. Without --output
it goes to standard output, which must not be a terminal.

Examples:
skiff save -o web.tar httpd
skiff save --format oci-archive httpd | gzip >web.tar.gz`,
		Flags: []cli.Flag{
			toggle("Compress the layers of a directory", "compress"),
			&cli.StringFlag{Name: "format", Value: "docker-archive", Usage: "Write this `format`: docker-archive, oci-archive, oci-dir or docker-dir"},
			toggle("Write several images into one archive (always possible)", "multi-image-archive", "m"),
			text("Write to this file or directory instead of standard output", "output", "o"),
			toggle("Print no progress", "quiet", "q"),
			toggle("Do not compress layers", "uncompressed"),
		},
		Action: func(c *cli.Context) error { return saveImages(app, c) },
	}
}

func saveImages(app *App, c *cli.Context) error {
	if err := atLeast(c, 1); err != nil {
		return err
	}
	req := imagecall.Request{
		Op: imagecall.OpSave, Images: c.Args().Slice(), Output: c.String("output"),
		Format: c.String("format"), Quiet: c.Bool("quiet") || app.Docker,
	}
	directory := oneOf(req.Format, "oci-dir", "docker-dir")
	switch {
	case !directory && !oneOf(req.Format, "docker-archive", "oci-archive"):
		return usage(fmt.Errorf("unknown format %q: want docker-archive, oci-archive, oci-dir or docker-dir", req.Format))
	case directory && req.Output == "":
		return usagef("--format %s needs --output with a directory", req.Format)
	case c.Bool("compress") && !directory:
		return usagef("--compress can only be set when --format is 'docker-dir' or 'oci-dir'")
	case c.Bool("compress") && c.Bool("uncompressed"):
		return usagef("--compress and --uncompressed cannot be set together")
	case req.Output == "" && isTerminal(app.Out):
		return errors.New("refusing to save to terminal. Use -o flag or redirect")
	}
	switch {
	case c.Bool("compress"):
		req.CompressionFormat = "gzip"
	case c.Bool("uncompressed"):
		req.CompressionFormat = "uncompressed"
	}
	s := app.streams()
	s.In = nil
	_, err := callImages(app, c, req, s)
	return err
}

func newImport(app *App) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "Make an image of a tree of files in an archive",
		ArgsUsage: "FILE|- [NAME]",
		Description: `Makes an image with one layer of a tar archive, such as export writes, and
prints its id.

Example:
skiff import -c "CMD /bin/sh" tree.tar mytree:1`,
		Flags: []cli.Flag{
			list("Set a property of the image with a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR", "change", "c"),
			text("Note this in the image's history", "message", "m"),
			text("Say that the image is for this `OS/ARCH[/VARIANT]`", "platform"),
			text("Say that the image is for this architecture", "arch"),
			text("Say that the image is for this operating system", "os"),
			text("Say that the image is for this variant of the architecture", "variant"),
			toggle("Print no progress", "quiet", "q"),
		},
		Action: func(c *cli.Context) error { return importImage(app, c) },
	}
}

func importImage(app *App, c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usagef("import requires a file and at most one name for the image")
	}
	req := imagecall.Request{
		Op: imagecall.OpImport, Input: c.Args().First(), Images: c.Args().Tail(),
		Message: c.String("message"), Changes: c.StringSlice("change"), Quiet: c.Bool("quiet"),
	}
	if req.Input == "-" && isTerminal(app.In) {
		return errors.New("cannot read from terminal, use command-line redirection")
	}
	var err error
	if req.Platform, err = platform(c, runtime.GOARCH); err != nil {
		return err
	}
	s := app.streams()
	s.Out = nil
	res, err := callImages(app, c, req, s)
	for _, i := range res.Images {
		if app.Docker {
			fmt.Fprint(app.Out, "sha256:")
		}
		fmt.Fprintln(app.Out, i.ID)
	}
	return err
}
