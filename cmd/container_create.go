package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func newCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "Make a container without starting it",
		ArgsUsage: "IMAGE [COMMAND [ARG...]]",
		Description: `Makes a container as run does and prints its ID; start starts it.

Example:
skiff create --name web -p 8080:80 httpd`,
		Flags: createFlags(app),
		Action: func(c *cli.Context) error {
			req, err := createRequest(app, c)
			if err != nil {
				return err
			}
			if err := reserveCIDFile(req.CIDFile); err != nil {
				return err
			}
			p := &req.Config.Process
			p.StdinOnce = p.OpenStdin && p.AttachStdin
			e, err := app.Engine()
			if err != nil {
				return err
			}
			if err := pullRetry(app, c, &req); err != nil {
				return err
			}
			if req.Pull == "" {
				req.Pull = e.Settings.Engine.PullPolicy
			}
			id, err := e.Create(c.Context, req)
			if err != nil {
				return err
			}
			fmt.Fprintln(app.Out, id)
			return nil
		},
	}
}
