package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
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
		Flags: append(selectFlags(true, true, true, "f"), timeFlag(), signalFlag()),
		Action: func(c *cli.Context) error {
			o, err := stopOptions(c)
			if err != nil {
				return err
			}
			o.Quiet = app.Docker
			return onContainers(app, func(c *cli.Context, e *libpod.Engine, ref string) error {
				return e.StopWith(c.Context, ref, o)
			})(c)
		},
	}
}

// timeFlag is how long a container gets to end by itself.
func timeFlag() cli.Flag {
	return number("Seconds to wait before the container is killed, -1 for ever", "time", "t", "timeout")
}

// signalFlag is the signal by which a container is told to end.
func signalFlag() cli.Flag {
	return text("Signal to send first, a name or a number", "signal", "s")
}

// stopOptions are timeFlag's and signalFlag's values.
func stopOptions(c *cli.Context) (libpod.StopOptions, error) {
	o := libpod.StopOptions{Timeout: timeout(c)}
	if !c.IsSet("signal") {
		return o, nil
	}
	var err error
	if o.Signal, err = parse.Signal(c.String("signal")); err != nil {
		return o, usage(err)
	}
	return o, nil
}

// timeout is timeFlag's value, nil for the container's own.
func timeout(c *cli.Context) *int {
	if !c.IsSet("time") {
		return nil
	}
	n := max(c.Int("time"), -1)
	return &n
}
