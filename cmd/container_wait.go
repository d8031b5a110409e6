package cmd

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newWait(app *App) *cli.Command {
	return &cli.Command{
		Name:      "wait",
		Usage:     "Wait for containers to end and print their exit status",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Waits until each container is in the wanted condition, which is stopped by
default, and prints its exit status, one a line.

Example:
skiff wait job1 job2`,
		Flags: []cli.Flag{
			list("Condition to wait for: created, running, paused, stopped, exited, removing, removed, healthy, unhealthy", "condition"),
			toggle("Do not complain about containers that do not exist", "ignore"),
			&cli.StringFlag{Name: "interval", Aliases: []string{"i"}, Value: "250ms", Usage: "Time between two looks where waiting needs to look"},
			toggle("Wait for the first of the containers only", "exit-first-match"),
			toggle("Take the container made last", "latest", "l"),
		},
		Action: func(c *cli.Context) error { return waitContainers(app, c) },
	}
}

func waitContainers(app *App, c *cli.Context) error {
	every, err := interval(c.String("interval"))
	if err != nil {
		return usage(err)
	}
	for _, s := range c.StringSlice("condition") {
		switch s {
		case "created", "configured", "initialized", "running", "paused", "stopped", "stopping", "exited",
			"removing", "removed", "healthy", "unhealthy", "not-running", "next-exit":
		default:
			return usage(fmt.Errorf("invalid value %q for --condition: want a container's state such as running, stopped or healthy", s))
		}
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	results := waitAll(c, e, list, every)
	if c.Bool("exit-first-match") && len(list) > 0 {
		return firstWaited(app, results)
	}
	var failed []error
	for _, r := range results {
		w := <-r
		if w.err != nil {
			failed = append(failed, w.err)
			continue
		}
		fmt.Fprintln(app.Out, w.code)
	}
	return errors.Join(failed...)
}

// waited is what waiting for one container came to.
type waited struct {
	code int
	err  error
}

// waitAll waits for all containers at once: one may be removed while another
// still runs.
func waitAll(c *cli.Context, e *libpod.Engine, list []target, every time.Duration) []chan waited {
	results := make([]chan waited, len(list))
	for i, t := range list {
		results[i] = make(chan waited, 1)
		go func() {
			code, err := e.Wait(c.Context, t.ref, c.StringSlice("condition"), every)
			if c.Bool("ignore") && errors.Is(err, state.ErrNotFound) {
				code, err = -1, nil
			}
			results[i] <- waited{code, err}
		}()
	}
	return results
}

// firstWaited prints the status of the container that is there first. Those that
// cannot be waited for are reported if none can.
func firstWaited(app *App, results []chan waited) error {
	all := make(chan waited, len(results))
	for _, r := range results {
		go func() { all <- <-r }()
	}
	var failed []error
	for range results {
		w := <-all
		if w.err == nil {
			fmt.Fprintln(app.Out, w.code)
			return nil
		}
		failed = append(failed, w.err)
	}
	return errors.Join(failed...)
}

// interval reads a duration; a bare number is milliseconds, as with Podman.
func interval(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	return parse.Duration("--interval", s)
}
