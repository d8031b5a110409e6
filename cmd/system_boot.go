package cmd

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

func newBoot(app *App) *cli.Command {
	return &cli.Command{
		Name:  "boot",
		Usage: "Start the containers that run from boot on",
		Description: `Starts the containers that should run after the machine has come up and do not
run: those with the restart policy always, and those with unless-stopped or
on-failure that the user did not stop. What others need is started first. The
systemd unit skiff-boot.service runs this command.

Example:
skiff system boot`,
		Action: func(c *cli.Context) error { return boot(app, c) },
	}
}

func boot(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var failed []error
	err = e.Boot(c.Context, func(name string, err error) {
		if err != nil {
			failed = append(failed, err)
			return
		}
		fmt.Fprintln(app.Out, name)
	})
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	return withCode(exitSome, errors.Join(failed...))
}
