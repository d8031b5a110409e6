package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/rootfs/transfer"
)

func newCp(app *App) *cli.Command {
	return &cli.Command{
		Name:      "cp",
		Usage:     "Copy files between containers and this machine",
		ArgsUsage: "[CONTAINER:]SRC|- [CONTAINER:]DEST|-",
		Description: `Copies a file or a directory to or from a container, running or not, or from one
container to another. SRC/. is what the directory holds. With - a tar archive is
read from standard input or written to standard output.

Examples:
skiff cp web:/var/log/httpd ./logs
skiff cp site/. web:/srv
tar c site | skiff cp - web:/srv`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "archive", Aliases: []string{"a"}, Value: !app.Docker, Usage: "Give files to the user that the container runs as"},
			&cli.BoolFlag{Name: "follow-link", Aliases: []string{"L"}, Value: !app.Docker, Usage: "Copy what SRC leads to if it is a link"},
			toggle("Let directories and other files take each other's place", "overwrite"),
			toggle("Print no progress", "quiet", "q"),
		},
		Action: func(c *cli.Context) error { return copyFiles(app, c) },
	}
}

func copyFiles(app *App, c *cli.Context) error {
	if err := exactly(c, 2); err != nil {
		return err
	}
	from, to := copyEnd(c.Args().Get(0)), copyEnd(c.Args().Get(1))
	switch {
	case from.Path == "" || to.Path == "":
		return errors.New("cannot copy: the source and the destination must not be empty")
	case from.Container == "" && to.Container == "":
		if app.Docker {
			return errors.New("must specify at least one container source")
		}
		return fmt.Errorf("invalid arguments %q, %q: one of them must be in a container, as CONTAINER:PATH", c.Args().Get(0), c.Args().Get(1))
	case from.Container == "" && from.Path == "-" && isTerminal(app.In):
		return errors.New("cannot read an archive from a terminal, use command-line redirection")
	case to.Container == "" && to.Path == "-" && isTerminal(app.Out):
		return errors.New("refusing to write an archive to a terminal, use command-line redirection")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	s := app.streams()
	if to.Path == "-" && s.Out == nil {
		return errors.New("cannot write an archive: standard output is no file")
	}
	opt := libpod.CopyOptions{
		Own: c.Bool("archive"), Follow: c.Bool("follow-link"), Overwrite: c.Bool("overwrite"), FromRoot: app.Docker,
	}
	done := copyProgress(app, c, &opt)
	if err := e.Copy(c.Context, from, to, opt, s); err != nil {
		return dockerCopyError(app, err)
	}
	done(c.Args().Get(1))
	return nil
}

// copyProgress has the number of bytes shown on a terminal; what it gives is
// called at the end.
func copyProgress(app *App, c *cli.Context, opt *libpod.CopyOptions) func(to string) {
	if c.Bool("quiet") || !isTerminal(app.Err) || to(c) == "-" {
		return func(string) {}
	}
	var last, total int64
	opt.Progress = func(n int64) {
		if total = n; n-last > 1<<20 {
			last = n
			fmt.Fprintf(app.Err, "\r\x1b[KCopying... %s", format.Size(n))
		}
	}
	return func(to string) {
		if last > 0 {
			fmt.Fprint(app.Err, "\r\x1b[K")
		}
		fmt.Fprintf(app.Err, "Successfully copied %s to %s\n", format.Size(total), to)
	}
}

func to(c *cli.Context) string { return c.Args().Get(1) }

// copyEnd reads [CONTAINER:]PATH. What begins with a slash or a dot is a path on
// this machine, whatever colons it has.
func copyEnd(arg string) libpod.CopyEnd {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return libpod.CopyEnd{Path: arg}
	}
	container, path, ok := strings.Cut(arg, ":")
	if !ok {
		return libpod.CopyEnd{Path: arg}
	}
	return libpod.CopyEnd{Container: container, Path: path}
}

// dockerCopyError words what is wrong with one end of a copy as Docker does,
// where skiff was called so.
func dockerCopyError(app *App, err error) error {
	var e *libpod.CopyError
	if !app.Docker || !errors.As(err, &e) {
		return err
	}
	switch {
	case errors.Is(e.Err, transfer.ErrMissing) && e.End.Container != "":
		return fmt.Errorf("Could not find the file %s in container %s", e.End.Path, e.End.Container) //nolint:staticcheck // Docker's words
	case errors.Is(e.Err, transfer.ErrMissing):
		return fmt.Errorf("lstat %s: no such file or directory", e.End.Path)
	case errors.Is(e.Err, transfer.ErrDirOverFile):
		return errors.New("cannot copy directory")
	case errors.Is(e.Err, transfer.ErrArchiveOverFile):
		return fmt.Errorf("destination %q must be a directory", e.End.Container+":"+e.End.Path)
	}
	return err
}
