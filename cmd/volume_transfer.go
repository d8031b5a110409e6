package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
)

func newVolumeExport(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume export",
		Usage:     "Write a volume's files into an archive",
		ArgsUsage: "VOLUME",
		Description: `Writes the files of a volume into a tar archive. Without --output it goes to
standard output, which must not be a terminal.

Examples:
skiff volume export -o data.tar data
skiff volume export data | skiff volume import copy -`,
		Flags: []cli.Flag{text("Write to this file instead of standard output", "output", "o")},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			path := c.String("output")
			switch {
			case path == "" && c.IsSet("output"):
				return usagef("must provide valid path for file to write to")
			case path == "" && isTerminal(app.Out):
				return errors.New("cannot write to terminal, use command-line redirection or the --output flag")
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			name := c.Args().First()
			if path == "" {
				return e.ExportVolume(c.Context, name, app.Out)
			}
			return replaceFile(path, func(f *os.File) error { return e.ExportVolume(c.Context, name, f) })
		},
	}
}

func newVolumeImport(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume import",
		Usage:     "Unpack an archive in a volume",
		ArgsUsage: "VOLUME [SOURCE]",
		Description: `Unpacks a tar archive, which may be compressed, in a volume that is there.
Files of the volume that are in the archive too are replaced. Without SOURCE, or
with -, the archive comes from standard input.

Examples:
skiff volume import data data.tar
gunzip -c data.tar.gz | skiff volume import data -`,
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return usagef("volume import requires a volume and at most one archive")
			}
			in, source := io.Reader(app.In), c.Args().Get(1)
			switch {
			case source != "" && source != "-":
				f, err := os.Open(source)
				if err != nil {
					return fmt.Errorf("cannot import: %w", err)
				}
				defer f.Close()
				in = f
			case isTerminal(app.In):
				return errors.New("cannot read an archive from a terminal, redirect standard input or name a file")
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			return e.ImportVolume(c.Context, c.Args().First(), in)
		},
	}
}
