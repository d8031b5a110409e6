package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func newVolumeMount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume mount",
		Usage:     "Show a volume's files on the host",
		ArgsUsage: "VOLUME",
		Description: `Prints the directory of the host where the volume's files are. What the options of
the volume's driver ask for is mounted there until "volume unmount", which only root
can do.

Example:
ls "$(skiff volume mount web-data)"`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			dir, err := e.MountVolume(c.Args().First())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, dir)
			return err
		},
	}
}

func newVolumeUnmount(app *App) *cli.Command {
	return &cli.Command{
		Name:      "volume unmount",
		Usage:     "Undo volume mount",
		ArgsUsage: "VOLUME",
		Description: `Unmounts what "volume mount" has mounted. Containers keep what they see.

Example:
skiff volume unmount web-data`,
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			if err := e.UnmountVolume(c.Args().First()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, c.Args().First())
			return err
		},
	}
}
