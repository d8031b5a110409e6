package cmd

import (
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newTop(app *App) *cli.Command {
	return &cli.Command{
		Name:      "top",
		Usage:     "Show the processes of a container",
		ArgsUsage: "CONTAINER [PS OPTIONS]",
		Description: `Lists the processes of a running container. The image needs no ps. After the
container stand names of columns or options of the host's ps.

Examples:
skiff top web
skiff top web pid,hpid,user,capeff,args
skiff top web -eo pid,args`,
		Flags: []cli.Flag{toggle("Take the container made last", "latest", "l")},
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			ref, args := c.Args().First(), c.Args().Tail()
			if c.Bool("latest") {
				ids, err := e.Select(libpod.Selection{Latest: true})
				if err != nil {
					return err
				}
				ref, args = ids[0], c.Args().Slice()
			} else if ref == "" {
				return usagef("you must provide the name or ID of a running container")
			}
			if app.Docker && len(args) == 0 {
				if _, err := exec.LookPath("ps"); err == nil {
					args = []string{"-ef"}
				}
			}
			rows, err := e.Top(c.Context, ref, libpod.TopOptions{Args: args, HostIDs: app.Docker})
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(app.Out, 12, 2, 2, ' ', 0)
			for _, row := range rows {
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
			return w.Flush()
		},
	}
}
