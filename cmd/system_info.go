package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod/inspect"
)

func newInfo(app *App) *cli.Command {
	return &cli.Command{
		Name:  "info",
		Usage: "Show what skiff knows of this machine and keeps on it",
		Description: `Prints facts about the machine, and where and how much skiff keeps.

Examples:
skiff info
skiff info --format "{{.Store.GraphRoot}}"`,
		Flags: []cli.Flag{
			text("Print in this `format`: json or a Go template", "format", "f"),
			toggle("Print more for finding faults (skiff always does)", "debug", "D"),
		},
		Action: func(c *cli.Context) error { return showInfo(app, c) },
	}
}

func showInfo(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	info, err := e.Info(Version)
	if err != nil {
		return err
	}
	var doc any = info
	if app.Docker {
		doc = info.Docker()
	}
	want := c.String("format")
	switch {
	case format.IsJSON(want) && app.Docker:
		return format.JSON(app.Out, doc, "")
	case format.IsJSON(want):
		return format.JSON(app.Out, doc, "  ")
	case want != "":
		t, err := documentTemplate(app, want)
		if err != nil {
			return err
		}
		return t.Document(app.Out, doc)
	case app.Docker:
		return dockerInfo(app, info.Docker())
	}
	return format.YAML(app.Out, doc)
}

// dockerInfo prints what docker's info has, as far as there is such a thing.
func dockerInfo(app *App, d *inspect.DockerInfo) error {
	w := app.Out
	fmt.Fprintf(w, "Client: skiff\n Version:    %s\n\nServer:\n", d.ServerVersion)
	fmt.Fprintf(w, " Containers: %d\n  Running: %d\n  Paused: %d\n  Stopped: %d\n Images: %d\n",
		d.Containers, d.ContainersRunning, d.ContainersPaused, d.ContainersStopped, d.Images)
	fmt.Fprintf(w, " Server Version: %s\n Storage Driver: %s\n", d.ServerVersion, d.Driver)
	for _, s := range d.DriverStatus {
		fmt.Fprintf(w, "  %s: %s\n", s[0], s[1])
	}
	fmt.Fprintf(w, " Logging Driver: %s\n Cgroup Driver: %s\n Cgroup Version: %s\n Plugins:\n", d.LoggingDriver, d.CgroupDriver, d.CgroupVersion)
	for _, p := range []struct {
		name  string
		names []string
	}{{"Volume", d.Plugins.Volume}, {"Network", d.Plugins.Network}, {"Log", d.Plugins.Log}} {
		fmt.Fprintf(w, "  %s:", p.name)
		for _, n := range p.names {
			fmt.Fprintf(w, " %s", n)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, " Runtimes: %s\n Default Runtime: %s\n Init Binary: %s\n", d.DefaultRuntime, d.DefaultRuntime, d.InitBinary)
	if len(d.SecurityOptions) > 0 {
		fmt.Fprintln(w, " Security Options:")
		for _, s := range d.SecurityOptions {
			fmt.Fprintf(w, "  %s\n", s)
		}
	}
	_, err := fmt.Fprintf(w, " Kernel Version: %s\n Operating System: %s\n OSType: %s\n Architecture: %s\n CPUs: %d\n"+
		" Total Memory: %s\n Name: %s\n Docker Root Dir: %s\n Live Restore Enabled: %t\n",
		d.KernelVersion, d.OperatingSystem, d.OSType, d.Architecture, d.NCPU,
		binarySize(d.MemTotal), d.Name, d.DockerRootDir, d.LiveRestoreEnabled)
	return err
}

// binarySize is a size with a binary unit, as docker's info has the memory.
func binarySize(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	return fmt.Sprintf("%.4g%s", v, unit)
}
