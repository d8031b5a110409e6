package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newExec(app *App) *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "Run a further command in a running container",
		ArgsUsage: "CONTAINER COMMAND [ARG...]",
		Description: `Runs a command beside the container's first process and ends with the
command's exit status. What follows the container belongs to the command.

Examples:
skiff exec -it web sh
skiff exec -u www-data -w /tmp web id`,
		Flags: []cli.Flag{
			toggle("Run in the background and print the session's ID", "detach", "d"),
			text("Keys that leave the command running, such as ctrl-p,ctrl-q", "detach-keys"),
			text("File to read the container's ID from", "cidfile"),
			toggle("Accepted and of no effect: no session is kept", "no-session"),
			number("Pass on this number of descriptors from 3 on", "preserve-fds"),
			list("Pass on a descriptor under its number", "preserve-fd"),
			list("Environment variable, as NAME=VALUE, or NAME for the caller's value", "env", "e"),
			list("File with one environment variable a line", "env-file"),
			toggle("Attach standard input", "interactive", "i"),
			toggle("Take the container made last", "latest", "l"),
			toggle("Lift nearly every restriction", "privileged"),
			toggle("Give the command a terminal", "tty", "t"),
			text("User to run as, USER[:GROUP], names or numbers", "user", "u"),
			text("Working directory in the container", "workdir", "w"),
		},
		Action: func(c *cli.Context) error { return execContainer(app, c) },
	}
}

func execContainer(app *App, c *cli.Context) error {
	req, err := execRequest(c)
	if err != nil {
		return err
	}
	if app.Docker && req.TTY && req.Interactive && !req.Detach && !isTerminal(app.In) {
		return errNoTerminal()
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	s, err := app.session(c, e, streams{req.Interactive, true, true}, req.TTY)
	if err != nil {
		return err
	}
	defer s.Close()
	ref := c.Args().First()
	if path := c.String("cidfile"); path != "" {
		if ref, err = readFile(path, firstWord); err != nil {
			return usage(err)
		}
	}
	if c.Bool("latest") {
		ids, err := e.Select(libpod.Selection{Latest: true})
		if err != nil {
			return err
		}
		ref = ids[0]
	}
	if !req.Detach {
		req.Attach = s.Options()
	}
	req.FirstTerm = !app.Docker
	code, id, err := e.Exec(c.Context, ref, req)
	if err != nil && req.Detach {
		return withCode(exitEngine, err) // not as the exit status of a command that nobody waits for
	}
	if err != nil && app.Docker && code != exitNotFound {
		// What could not be begun in a running container is all one to Docker.
		if now, ierr := e.ContainerInspect(ref, false); ierr == nil && now.Status.Phase == state.Running {
			code = exitCannot
		}
	}
	if err != nil && code != 0 {
		return withCode(code, err)
	}
	if err != nil {
		return err
	}
	if req.Detach && app.Docker {
		return nil
	}
	if req.Detach {
		fmt.Fprintln(app.Out, id)
		return nil
	}
	return exitWith(code)
}

func execRequest(c *cli.Context) (req libpod.ExecRequest, err error) {
	req = libpod.ExecRequest{
		User: c.String("user"), TTY: c.Bool("tty"),
		Interactive: c.Bool("interactive"), Detach: c.Bool("detach"), Privileged: c.Bool("privileged"),
	}
	req.Args = c.Args().Slice()
	if c.Bool("latest") && c.IsSet("cidfile") {
		return req, usagef("--latest and --cidfile cannot be used together")
	}
	if req.PreserveFDs, err = preservedFDs(c); err != nil {
		return req, usage(err)
	}
	if !c.Bool("latest") && !c.IsSet("cidfile") {
		if c.NArg() == 0 {
			return req, usagef("exec requires the name or ID of a container")
		}
		req.Args = c.Args().Tail()
	}
	if len(req.Args) == 0 {
		return req, usagef("must provide a non-empty command to start an exec session")
	}
	if c.IsSet("workdir") {
		dir, err := parse.Workdir(c.String("workdir"))
		if err != nil {
			return req, usage(err)
		}
		req.Cwd = dir
	}
	environ := os.Environ()
	for _, path := range c.StringSlice("env-file") {
		kv, err := readFile(path, func(r io.Reader) ([]string, error) { return parse.EnvFile(path, r, environ) })
		if err != nil {
			return req, usage(err)
		}
		req.Env = append(req.Env, kv...)
	}
	for _, s := range c.StringSlice("env") {
		kv, err := parse.Env(s, environ)
		if err != nil {
			return req, usage(err)
		}
		req.Env = append(req.Env, kv...)
	}
	return req, nil
}

// firstWord reads an ID.
func firstWord(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, 256))
	f := strings.Fields(string(b))
	if err == nil && len(f) != 1 {
		err = errors.New("the file holds no container's ID")
	}
	if err != nil {
		return "", err
	}
	return f[0], nil
}
