package cmd

import (
	"github.com/urfave/cli/v2"
)

func newAttach(app *App) *cli.Command {
	return &cli.Command{
		Name:      "attach",
		Usage:     "Attach to a running container",
		ArgsUsage: "CONTAINER",
		Description: `Takes part in a running container's streams until it ends, and ends with its
exit status. The detach keys leave it running.

Example:
skiff attach --detach-keys ctrl-x shell`,
		Flags: append(attachFlags(),
			toggle("Take the container made last", "latest", "l"),
			toggle("Do not attach standard input", "no-stdin")),
		Action: func(c *cli.Context) error {
			e, err := app.Engine()
			if err != nil {
				return err
			}
			list, err := targets(c, e)
			if err != nil {
				return err
			}
			if len(list) != 1 {
				return usagef("attach takes exactly one container")
			}
			cfg, err := e.Config(list[0].ref)
			if err != nil {
				return err
			}
			in := !c.Bool("no-stdin") && cfg.Process.OpenStdin
			s, err := app.session(c, e, streams{in, true, true}, cfg.Process.Terminal)
			if err != nil {
				return err
			}
			defer s.Close()
			code, err := e.Attach(c.Context, list[0].ref, s.Options())
			if err != nil {
				return err
			}
			return exitWith(code)
		},
	}
}
