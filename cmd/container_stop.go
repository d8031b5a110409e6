package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newStop(app *App) *cli.Command {
	return &cli.Command{
		Name:      "stop",
		Usage:     "Stop containers",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Sends each container its stop signal, and SIGKILL if it has not ended in time.
A container that was stopped is not restarted by its policy.

Examples:
skiff stop web
skiff stop -t 2 --all`,
		Flags: append(selectFlags(true, true, true, "f"), timeFlag()),
		Action: onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
			return e.Stop(c.Context, ref, timeout(c))
		}),
	}
}

// timeFlag is how long a container gets to end by itself.
func timeFlag() cli.Flag {
	return number("Seconds to wait before the container is killed, -1 for ever", "time", "t", "timeout")
}

// timeout is timeFlag's value, nil for the container's own.
func timeout(c *cli.Context) *int {
	if !c.IsSet("time") {
		return nil
	}
	n := max(c.Int("time"), -1)
	return &n
}
