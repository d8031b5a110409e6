package cmd

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
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
	f, err := nameless(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", path, err)
	}
	defer func() {
		f.Close()
		if err != nil && f.Name() != "" {
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if f.Name() != "" {
		return os.Rename(f.Name(), path)
	}
	return nameFile(f, path)
}

// nameless makes a file that goes with the process as long as it has no name. Where
// the file system has none such, it has one.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.CreateTemp(dir, ".skiff-export-")
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// nameFile gives a nameless file the name of what it replaces, in one step.
func nameFile(f *os.File, path string) error {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), ".skiff-export-"+hex.EncodeToString(id[:]))
	from := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, tmp, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: from, New: tmp, Err: err}
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}
