package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

func newRun(app *App) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "Run a command in a new container",
		ArgsUsage: "IMAGE [COMMAND [ARG...]]",
		Description: `Makes a container from an image, which is pulled if it is not there, and
starts it. What follows the image belongs to the container.

Examples:
skiff run -d -p 8080:80 httpd
skiff run -it --rm busybox
skiff run --rm -m 64m -v ./data:/data:ro busybox ls /data`,
		Flags: append(append(createFlags(app), attachFlags()...),
			toggle("Run in the background and print the container's ID", "detach", "d")),
		Action: func(c *cli.Context) error { return runContainer(app, c) },
	}
}

func runContainer(app *App, c *cli.Context) error {
	req, err := createRequest(app, c)
	if err != nil {
		return err
	}
	detach := c.Bool("detach")
	if detach && c.IsSet("attach") {
		if app.Docker {
			return &dockerError{msg: "Conflicting options: -a and -d"}
		}
		return usagef("the options --attach and --detach cannot be used together")
	}
	if err := reserveCIDFile(req.CIDFile); err != nil {
		return err
	}
	p := &req.Config.Process
	p.StdinOnce = p.OpenStdin && !detach
	if p.Terminal && p.OpenStdin && !detach && !isTerminal(app.In) {
		if app.Docker {
			return errNoTerminal()
		}
		app.Log.Warn("The input device is not a TTY. The --tty and --interactive flags might not work properly")
	}
	if _, err := detachKeys(c, nil, ""); err != nil {
		return err
	}
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
	s, err := app.session(c, e, streams{p.AttachStdin && p.OpenStdin, p.AttachStdout, p.AttachStderr}, p.Terminal)
	if err != nil {
		return err
	}
	defer s.Close()
	opts := libpod.RunOptions{Detach: detach}
	if !detach {
		opts.Attach = s.Options()
	}
	if detach || !p.AttachStdout && !p.AttachStderr {
		// With --attach stdin nothing else is printed.
		opts.Begun = func(id string) { fmt.Fprintln(app.Out, id) }
	}
	_, code, err := e.Run(c.Context, req, opts)
	if err != nil {
		return err
	}
	return exitWith(code)
}
