package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
)

func newVolumeBackup(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume backup",
		Usage:     "Save a volume in a file",
		ArgsUsage: "VOLUME FILE",
		Description: `Writes the files of a volume with everything that belongs to them, its labels and a
checksum into FILE, or to standard output for -. It is a tar archive. Containers may
use the volume meanwhile: they are paused only while what they changed in the meantime
is written once more. FILE appears when it is whole.

Examples:
skiff volume backup web-data web-data.backup
skiff volume backup web-data - | ssh other skiff volume restore web-data -`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "pause", Value: true, Usage: "Pause the containers that use the volume for a moment, so that the backup is of one instant"},
		},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			name, path := c.Args().First(), c.Args().Get(1)
			write := func(f *os.File) error { return e.BackupVolume(c.Context, name, f, c.Bool("pause")) }
			if path != "-" {
				return replaceFile(path, func(f *os.File) error {
					if err := write(f); err != nil {
						return err
					}
					return syncRegular(f)
				})
			}
			if isTerminal(app.Out) {
				return errors.New("cannot write a backup to a terminal, redirect standard output or name a file")
			}
			return throughFile(app.Out, write)
		},
	}
}

func newVolumeRestore(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume restore",
		Usage:     "Make a volume of a backup",
		ArgsUsage: "VOLUME FILE",
		Description: `Makes a volume of what "volume backup" wrote into FILE, or to standard input for -.
The volume has either all that is in the backup or, if that is damaged or its end is
missing, what it had before. The files of a volume that is there are replaced with
--force, if no container that uses it runs.

Examples:
skiff volume restore web-data web-data.backup
zstd -dc web-data.backup.zst | skiff volume restore --force web-data -`,
		Flags: []cli.Flag{toggle("Replace the files of a volume that is there", "force", "f")},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			name, path := c.Args().First(), c.Args().Get(1)
			e, err := app.Engine()
			if err != nil {
				return err
			}
			read := func(f *os.File) error { return e.RestoreVolume(c.Context, name, f, c.Bool("force")) }
			if path == "-" {
				if isTerminal(app.In) {
					return errors.New("cannot read a backup from a terminal, redirect standard input or name a file")
				}
				err = fromFile(app.In, read)
			} else {
				var f *os.File
				if f, err = os.Open(path); err != nil {
					return fmt.Errorf("cannot restore volume %q: %w", name, err)
				}
				defer f.Close()
				err = read(f)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, name)
			return err
		},
	}
}

// syncRegular has what was written survive a power cut.
func syncRegular(f *os.File) error {
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}

// throughFile has write write to w, which need not be a file.
func throughFile(w io.Writer, write func(*os.File) error) error {
	if f, ok := w.(*os.File); ok {
		return write(f)
	}
	r, p, err := os.Pipe()
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		r.Close()
		copied <- err
	}()
	err = write(p)
	p.Close()
	return errors.Join(err, <-copied)
}

// fromFile has read read from r, which need not be a file.
func fromFile(r io.Reader, read func(*os.File) error) error {
	if f, ok := r.(*os.File); ok {
		return read(f)
	}
	p, w, err := os.Pipe()
	if err != nil {
		return err
	}
	go func() {
		io.Copy(w, r)
		w.Close()
	}()
	defer p.Close()
	return read(p)
}
