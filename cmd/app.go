// Package cmd speaks: it turns command lines into calls of libpod's Engine and
// results into text and exit codes. One file per command, listed in root.go.
//
// Not here: what the words of Docker's flags mean (cmd/parse), how tables are
// printed (cmd/format), and any decision about containers (libpod).
package cmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/libpod/settings"
	"skiff/libpod/signal"
	"skiff/state"
	"skiff/state/dirs"
)

// App is what a command may use of the world. A command's constructor keeps it
// and touches nothing of it before its action runs.
type App struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
	// Engine opens the engine at the first call and gives the same one later.
	Engine func() (*libpod.Engine, error)
	Global Globals
	// Docker says that skiff was called through a link named docker: names and
	// documents are shown as Docker does.
	Docker bool
	// Name is the name that skiff was called by, for help and hints.
	Name string
	// command is the first name of the command that is run; empty before it is known.
	command string
	// badOptions: the command's options could not be read.
	badOptions bool
	// clientConfig is config.json, once it was read; see dockerConfig.
	clientConfig *dockerConfig
	// Log prints messages for --log-level.
	Log Logger
}

// Globals are the options before the command's name.
type Globals struct {
	Root, RunRoot, Config string
	LogLevel              string
	StorageDriver         string
	StorageOpts           []string
	CgroupManager         string
	Runtime               string
	RuntimeFlags          []string
	Modules               []string
	VolumePath            string
	EventsBackend         string
	HooksDirs             []string
	DefaultMountsFile     string
	// remote is the option that asks for another machine; empty without.
	remote string
	// given are the options that were read so far, as --name=value.
	given []string
}

// openEngine gives App.Engine: it reads containers.conf and applies the global
// options above it, once.
func openEngine(app *App) func() (*libpod.Engine, error) {
	var engine *libpod.Engine
	return func() (*libpod.Engine, error) {
		if engine != nil {
			return engine, nil
		}
		set, err := loadSettings(app)
		if err != nil {
			return nil, err
		}
		opts, err := engineOptions(app.Global, set)
		if err != nil {
			return nil, err
		}
		if opts.ImageStores, err = configuration(app).ImageStores(opts.StorageOptions, opts.Roots.Storage()); err != nil {
			return nil, err
		}
		if engine, err = libpod.Open(opts, set); err != nil {
			return nil, err
		}
		engine.Warn = app.Log.Warn
		signal.Unignore()
		return engine, nil
	}
}

// configuration is where skiff's settings come from.
func configuration(app *App) settings.Source {
	return settings.Source{
		Modules: app.Global.Modules, NoVendor: app.Docker, Lookup: os.LookupEnv, UID: os.Geteuid(),
		Syntax: settings.Syntax{
			Size: parse.Size, Ulimit: parse.Ulimit, Device: parse.Device, Pairs: parse.Pairs,
			Capability: parse.Capability, IP: parse.IP,
			Volume: func(s string) (state.Mount, error) { return parse.Volume(s, "/") },
			Mount:  func(s string) ([]state.Mount, error) { return configuredMounts(s) },
			Env:    func(s string) ([]string, error) { return parse.Env(s, os.Environ()) },
		},
	}
}

func loadSettings(app *App) (settings.Settings, error) {
	set, err := settings.Load(configuration(app))
	for _, w := range set.Warnings {
		app.Log.Warn(w)
	}
	if err != nil {
		return set, err
	}
	for _, kv := range set.Engine.Env {
		// What the user set beats what the file says.
		if name, val, _ := strings.Cut(kv, "="); os.Getenv(name) == "" {
			os.Setenv(name, val)
		}
	}
	return set, forContainers(app.Global, &set)
}

// forContainers applies the options about what all containers get.
func forContainers(g Globals, set *settings.Settings) error {
	if len(g.HooksDirs) > 0 {
		set.Engine.HooksDirs = nil
	}
	for _, dir := range g.HooksDirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if st, err := os.Stat(abs); err != nil || !st.IsDir() {
			return usagef("cannot use --hooks-dir %q: it is not a directory", dir)
		}
		set.Engine.HooksDirs = append(set.Engine.HooksDirs, abs)
	}
	if g.DefaultMountsFile == "" {
		return nil
	}
	mounts, err := settings.ReadMounts(g.DefaultMountsFile)
	set.Containers.Mounts = append(set.Containers.Mounts, mounts...)
	return err
}

func engineOptions(g Globals, set settings.Settings) (libpod.Options, error) {
	def := dirs.Default(os.Getuid())
	for _, d := range []struct {
		dst *string
		def string
	}{{&g.Root, def.Data}, {&g.RunRoot, def.Run}, {&g.VolumePath, ""}} {
		if *d.dst == "" {
			*d.dst = d.def
		}
		if *d.dst == "" {
			continue
		}
		abs, err := filepath.Abs(*d.dst)
		if err != nil {
			return libpod.Options{}, err
		}
		*d.dst = abs
	}
	switch g.CgroupManager {
	case "", "cgroupfs", "systemd":
	default:
		return libpod.Options{}, usagef("invalid cgroup manager %q: want cgroupfs or systemd", g.CgroupManager)
	}
	switch g.StorageDriver {
	case "", "overlay", "overlay2", "vfs":
	default:
		return libpod.Options{}, usagef("invalid storage driver %q: want overlay or vfs", g.StorageDriver)
	}
	roots := dirs.Roots{Data: g.Root, Run: g.RunRoot, VolumePath: g.VolumePath}
	log, err := eventLog(g, set, roots)
	if err != nil {
		return libpod.Options{}, err
	}
	return libpod.Options{
		Roots: roots, Version: Version, Events: log, InspectCreated: set.Engine.EventsInspect,
		StorageDriver: g.StorageDriver, StorageOptions: g.StorageOpts,
		CgroupManager: g.CgroupManager, Runtime: g.Runtime, RuntimeFlags: g.RuntimeFlags, LogLevel: g.LogLevel,
		Firewall: set.Network.FirewallDriver, Subnet: set.Network.DefaultSubnet,
	}, nil
}

// errUsage is the kind of error that the command line itself is.
var errUsage = errors.New("usage")
