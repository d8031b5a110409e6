package cmd

import "github.com/urfave/cli/v2"

func newNetworkDisconnect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network disconnect",
		Usage:     "Disconnect a container from a network",
		ArgsUsage: "NETWORK CONTAINER",
		Description: `Takes the container out of the network, at once if it runs, and for its next
start. Published ports and the default route move to the next of its networks that
can have them. After the last one it has its loopback interface only.

Example:
skiff network disconnect backend web`,
		Flags: []cli.Flag{
			toggle("Do not complain about a container that does not exist", "force", "f"),
		},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			warnings, err := e.NetworkDisconnect(c.Context, c.Args().First(), c.Args().Get(1), c.Bool("force"))
			for _, w := range warnings {
				app.Log.Warn(w)
			}
			return err
		},
	}
}
