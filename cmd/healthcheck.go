package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/state"
)

func newHealthcheckRun(app *App) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "Run a container's health check now",
		ArgsUsage: "CONTAINER",
		Description: `Runs the health check of a running container and ends with status 0 if it
succeeds. Else it prints how the container is and ends with status 1. The result
counts as that of any other check.

Example:
skiff healthcheck run web`,
		Flags:  []cli.Flag{toggle("End with status 0 also if the check fails", "ignore-result")},
		Action: func(c *cli.Context) error { return healthcheckRun(app, c) },
	}
}

func healthcheckRun(app *App, c *cli.Context) error {
	if err := exactly(c, 1); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	outcome, err := e.CheckHealth(c.Context, c.Args().First())
	if err != nil || outcome == state.HealthHealthy {
		return err
	}
	fmt.Fprintln(app.Out, outcome)
	if c.Bool("ignore-result") {
		return nil
	}
	return exitWith(exitSome)
}
