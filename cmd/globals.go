package cmd

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// globalFlags are the options that stand before the command.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cgroup-manager", Usage: "Cgroup manager to use: cgroupfs or systemd"},
		&cli.StringFlag{Name: "config", Usage: "Directory of the client's config.json with registry logins"},
		&cli.StringFlag{Name: "connection", Aliases: []string{"c", "context"}, Usage: "Reach another machine (skiff works on this one only)"},
		&cli.BoolFlag{Name: "debug", Aliases: []string{"D"}, Usage: "Like --log-level debug"},
		&cli.StringFlag{Name: "events-backend", Usage: "Where to log events: file, journald or none"},
		&cli.StringFlag{Name: "default-mounts-file", Usage: "File with mounts for every container, one SOURCE[:TARGET] a line"},
		&cli.StringSliceFlag{Name: "hooks-dir", Usage: "Directory with OCI hooks"},
		&cli.StringFlag{Name: "log-level", Aliases: []string{"l"}, Usage: "Print messages at this level and above: trace, debug, info, warn, error, fatal, panic (default \"warn\")"},
		&cli.StringSliceFlag{Name: "module", Usage: "Load a containers.conf module"},
		&cli.BoolFlag{Name: "noout", Usage: "Print nothing to standard output"},
		&cli.StringFlag{Name: "out", Usage: "Write standard output to a file"},
		&cli.BoolFlag{Name: "remote", Aliases: []string{"r"}, Usage: "Reach another machine (skiff works on this one only)"},
		&cli.StringFlag{Name: "root", Usage: "Directory of everything that is kept"},
		&cli.StringFlag{Name: "runroot", Usage: "Directory of everything that holds until the next boot"},
		&cli.StringFlag{Name: "runtime", Usage: "Path of an OCI runtime to use instead of skiff's own"},
		&cli.StringSliceFlag{Name: "runtime-flag", Usage: "Option for the OCI runtime"},
		&cli.StringFlag{Name: "storage-driver", Aliases: []string{"s"}, Usage: "Storage driver: overlay or vfs"},
		&cli.StringSliceFlag{Name: "storage-opt", Usage: "Option for the storage driver"},
		&cli.BoolFlag{Name: "syslog", Usage: "Send the messages about skiff's own work to the system log too"},
		&cli.StringFlag{Name: "tmpdir", Usage: "Accepted for podman's sake; --runroot is what holds until the next boot"},
		&cli.StringFlag{Name: "url", Usage: "Reach another machine (skiff works on this one only)"},
		&cli.StringFlag{Name: "volumepath", Usage: "Directory of the volumes"},
		&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "Print the version and exit"},
	}
}

// persistentFlags are the global options as they may stand after the command:
// by their long names only, a command's short ones are its own.
func persistentFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range globalFlags() {
		switch f := f.(type) {
		case *cli.BoolFlag:
			if f.Name == "version" {
				continue
			}
			f.Aliases = nil
		case *cli.StringFlag:
			f.Aliases = nil
		}
		out = append(out, f)
	}
	return out
}

// globals reads the options before the command into app and gives the words
// from the command on; nil where all is done already.
func globals(app *App, args []string) (*words, error) {
	if len(args) == 0 {
		return &words{}, nil
	}
	w, err := canonical(globalFlags(), args[1:], false)
	if err != nil {
		return nil, withCommand(err, app.Name)
	}
	app.Log = Logger{w: app.Err, level: levelWarn}
	version, err := readGlobals(app, w)
	if err != nil {
		return nil, err
	}
	if version && !w.help {
		w.rest = []string{"version"}
		name := app.Name
		if app.Docker {
			name = "Docker"
		}
		fmt.Fprintf(app.Out, "%s version %s\n", name, Version)
		return nil, nil
	}
	return &w, nil
}

// readGlobals takes the options of w next to those that were read before.
func readGlobals(app *App, w words) (version bool, err error) {
	if len(w.options) == 0 {
		return false, nil
	}
	w.options = append(app.Global.given, w.options...)
	done := &cli.App{
		Name: app.Name, Flags: w.used(globalFlags()), HideHelp: true, HideVersion: true,
		Compiled: time.Unix(1, 0), DisableSliceFlagSeparator: true, Writer: app.Out, ErrWriter: app.Err,
		Action: func(c *cli.Context) error {
			version = c.Bool("version")
			return takeGlobals(app, c)
		},
	}
	err = done.Run(append([]string{app.Name}, w.options...))
	app.Global.given = w.options
	return version, err
}

// lateGlobals takes the global options that stand after the command's name, and
// leaves the command its own. A command's option hides a global one of its name.
func lateGlobals(app *App, w *words, own []cli.Flag) error {
	var late words
	var rest []string
	for _, o := range w.options {
		name, _, _ := strings.Cut(strings.TrimPrefix(o, "--"), "=")
		if findFlag(own, name) == nil {
			late.options = append(late.options, o)
		} else {
			rest = append(rest, o)
		}
	}
	if len(late.options) == 0 {
		return nil
	}
	w.options = rest
	if _, err := readGlobals(app, late); err != nil {
		return err
	}
	app.Engine = openEngine(app) // an engine that is open already knows nothing of them
	return nil
}

func takeGlobals(app *App, c *cli.Context) error {
	g := &app.Global
	g.Root, g.RunRoot, g.Config = c.String("root"), c.String("runroot"), c.String("config")
	g.StorageDriver, g.StorageOpts = c.String("storage-driver"), c.StringSlice("storage-opt")
	g.CgroupManager, g.Runtime = c.String("cgroup-manager"), c.String("runtime")
	g.RuntimeFlags, g.Modules = c.StringSlice("runtime-flag"), c.StringSlice("module")
	g.VolumePath = c.String("volumepath")
	g.EventsBackend = c.String("events-backend")
	g.HooksDirs, g.DefaultMountsFile = c.StringSlice("hooks-dir"), c.String("default-mounts-file")
	g.LogLevel = c.String("log-level")
	for _, name := range []string{"connection", "remote", "url"} {
		if app.Docker && name == "connection" && c.String(name) == "default" {
			continue // Docker's name for the machine itself
		}
		if c.IsSet(name) && c.String(name) != "" && (name != "remote" || c.Bool(name)) {
			g.remote = name
		}
	}
	if c.Bool("debug") {
		if c.IsSet("log-level") {
			return bareError("Setting --log-level and --debug is not allowed")
		}
		g.LogLevel = "debug"
	}
	level := parseLevel(g.LogLevel)
	if level < 0 {
		return bareError(fmt.Sprintf("Log Level %q is not supported, choose from: trace, debug, info, warn, warning, error, fatal, panic", g.LogLevel))
	}
	app.Log = Logger{w: app.Err, level: level}
	if c.Bool("syslog") {
		system, err := openSystemLog(syslogSocket, app.Name)
		if err != nil {
			app.Log.Warn(err.Error()) // as in Podman, nothing fails for that
		}
		app.Log.system = system
	}
	if g.Config != "" {
		os.Setenv("DOCKER_CONFIG", g.Config)
	}
	for _, l := range []func(string){app.Log.Info, app.Log.Debug, app.Log.Trace} {
		l(fmt.Sprintf("%s version %s, arguments %q", app.Name, Version, os.Args[min(1, len(os.Args)):]))
	}
	return redirect(app, c.String("out"), c.Bool("noout"))
}

// elsewhere is the option or the variable that asks for another machine, if one
// does: what was meant for that one must not happen here. A unix socket is on
// this machine, where skiff stands in for whoever listens on it.
func (app *App) elsewhere() string {
	if app.Global.remote != "" {
		return "--" + app.Global.remote
	}
	host, connection := "CONTAINER_HOST", "CONTAINER_CONNECTION"
	if app.Docker {
		host, connection = "DOCKER_HOST", "DOCKER_CONTEXT"
	}
	switch v := os.Getenv(host); {
	case v != "" && !strings.HasPrefix(v, "unix:"):
		return fmt.Sprintf("%s=%q", host, v)
	case v != "": // it goes before a context
		return ""
	}
	if v := os.Getenv(connection); v != "" && !(app.Docker && v == "default") {
		return fmt.Sprintf("%s=%q", connection, v)
	}
	return ""
}

// redirect sends standard output elsewhere. Podman: --out, --noout.
func redirect(app *App, out string, none bool) error {
	if none {
		if out != "" {
			return usagef("--out and --noout cannot be used together")
		}
		out = os.DevNull
	}
	if out == "" {
		return nil
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write output to %q: %v", out, err)
	}
	app.Out = f
	return nil
}
