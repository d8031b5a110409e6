package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

func newExport(app *App) *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "Write a container's files into an archive",
		ArgsUsage: "CONTAINER",
		Description: `Writes a container's files, without its volumes, into a tar archive. Without
--output it goes to standard output, which must not be a terminal.

Example:
skiff export -o web.tar web`,
		Flags: []cli.Flag{text("Write to this file instead of standard output", "output", "o")},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			path := c.String("output")
			if path == "" || path == "-" {
				if isTerminal(app.Out) {
					return errors.New("refusing to export to terminal. Use -o flag or redirect")
				}
				out, ok := app.Out.(*os.File)
				if !ok {
					return errors.New("cannot export: standard output is no file")
				}
				return e.Export(c.Context, c.Args().First(), out)
			}
			return replaceFile(path, func(f *os.File) error { return e.Export(c.Context, c.Args().First(), f) })
		},
	}
}

// replaceFile has write make a file, which takes the place of one that is at path
// only when it is whole. What is there and is no regular file is written into.
func replaceFile(path string, write func(*os.File) error) (err error) {
	if st, serr := os.Stat(path); serr == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".skiff-export-")
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", path, err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
