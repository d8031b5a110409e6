package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newLogs(app *App) *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "Show what containers have printed",
		ArgsUsage: "CONTAINER [CONTAINER...]",
		Description: `Prints a container's standard output and standard error to one's own. With
several containers each line begins with the container's ID.

Examples:
skiff logs --tail 20 web
skiff logs -f --since 10m -t web`,
		Flags: []cli.Flag{
			toggle("Give each container's name another colour, on a terminal", "color"),
			toggle("Show the labels and variables that --log-opt has chosen for each line", "details"),
			toggle("Go on with new output until the container ends", "follow", "f"),
			toggle("Take the container made last", "latest", "l"),
			toggle("Begin lines with the container's name", "names"),
			text("Only output after this time, a date or a duration such as 10m", "since"),
			&cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all", Usage: "Number of lines to show from the end"},
			toggle("Begin lines with their time", "timestamps", "t"),
			text("Only output before this time, a date or a duration such as 10m", "until"),
		},
		Action: func(c *cli.Context) error { return showLogs(app, c) },
	}
}

func showLogs(app *App, c *cli.Context) error {
	opts, err := logOptions(app, c)
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	list, err := targets(c, e)
	if err != nil {
		return err
	}
	if len(list) == 1 && !c.Bool("names") {
		return e.Logs(c.Context, list[0].ref, opts)
	}
	shown := logNames{byName: c.Bool("names"), color: c.Bool("color") && isTerminal(app.Out)}
	return manyLogs(c.Context, e, list, opts, shown)
}

func logOptions(app *App, c *cli.Context) (libpod.LogOptions, error) {
	opts := libpod.LogOptions{
		Follow: c.Bool("follow"), Timestamps: c.Bool("timestamps"),
		Details: c.Bool("details"), DetailsGap: app.Docker,
		Tail: -1, Stdout: app.Out, Stderr: app.Err,
	}
	if s := c.String("tail"); s != "all" && s != "-1" && s != "" {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return opts, usage(fmt.Errorf("invalid value %q for --tail: want a number of lines, or all", s))
		}
		opts.Tail = int(n)
	}
	now := time.Now()
	for _, t := range []struct {
		flag string
		dst  *time.Time
	}{{"since", &opts.Since}, {"until", &opts.Until}} {
		if s := c.String(t.flag); s != "" {
			at, err := parse.Time("--"+t.flag, s, now)
			if err != nil {
				return opts, usage(err)
			}
			*t.dst = at
			if d, derr := time.ParseDuration(s); derr == nil && opts.Follow && t.flag == "until" && !app.Docker {
				*t.dst = now.Add(d.Abs()) // of what is still to come
			}
		}
	}
	return opts, nil
}

// logNames say how lines name the container that they are of.
type logNames struct{ byName, color bool }

func (n logNames) prefix(cfg *state.Config, i int) string {
	name := cfg.ID[:12]
	if n.byName {
		name = cfg.Name
	}
	if n.color {
		name = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+i%6, name) // red to cyan
	}
	return name + " "
}

// manyLogs prints several containers' output, at once where it is followed and
// else one after the other. A line is never mixed with another.
func manyLogs(ctx context.Context, e *libpod.Engine, list []target, opts libpod.LogOptions, shown logNames) error {
	var mu sync.Mutex
	errs := make([]error, len(list))
	one := func(i int) {
		cfg, err := e.Config(list[i].ref)
		if err != nil {
			errs[i] = err
			return
		}
		o := opts
		o.Prefix = shown.prefix(cfg, i)
		out := &lineWriter{mu: &mu, w: opts.Stdout}
		err2 := &lineWriter{mu: &mu, w: opts.Stderr}
		o.Stdout, o.Stderr = out, err2
		errs[i] = errors.Join(e.Logs(ctx, cfg.ID, o), out.flush(), err2.flush())
	}
	if !opts.Follow {
		for i := range list {
			one(i)
		}
		return errors.Join(errs...)
	}
	var wg sync.WaitGroup
	for i := range list {
		wg.Add(1)
		go func() { defer wg.Done(); one(i) }()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// maxHeld bounds the part of a line that a lineWriter holds back, in bytes.
const maxHeld = 64 << 10

// lineWriter writes whole lines.
type lineWriter struct {
	mu   *sync.Mutex // shared by all that write to one place
	w    io.Writer
	held []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for i := 0; i < len(p); {
		if p[i] != '\n' && len(l.held)+i < maxHeld {
			i++
			continue
		}
		l.held = append(l.held, p[:i+1]...)
		if err := l.flush(); err != nil {
			return 0, err
		}
		p, i = p[i+1:], 0
	}
	l.held = append(l.held, p...)
	return n, nil
}

func (l *lineWriter) flush() error {
	if len(l.held) == 0 {
		return nil
	}
	if l.held[len(l.held)-1] != '\n' {
		l.held = append(l.held, '\n')
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(l.held)
	l.held = l.held[:0]
	return err
}
