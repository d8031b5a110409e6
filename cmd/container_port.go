package cmd

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
	"skiff/state"
)

func newPort(app *App) *cli.Command {
	return &cli.Command{
		Name:      "port",
		Usage:     "Show the published ports of a container",
		ArgsUsage: "CONTAINER [PORT[/PROTOCOL]]",
		Description: `Lists the ports of a running container that are published on the host, or where
on the host one of them is.

Examples:
skiff port web
skiff port web 80`,
		Flags: []cli.Flag{
			toggle("Show the ports of all running containers", "all", "a"),
			toggle("Take the container made last", "latest", "l"),
		},
		Action: func(c *cli.Context) error { return showPorts(app, c) },
	}
}

func showPorts(app *App, c *cli.Context) error {
	args := c.Args().Slice()
	all, latest := c.Bool("all"), c.Bool("latest")
	switch {
	case all && latest:
		return usagef("--all and --latest cannot be used together")
	case all && len(args) > 0:
		return usagef("--all cannot be used with a container")
	case !all && !latest && len(args) == 0:
		return usagef("you must supply a running container name or id")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	if all {
		return showAllPorts(app, e)
	}
	if latest {
		id, err := e.Latest()
		if err != nil {
			return err
		}
		args = append([]string{id}, args...)
	}
	if len(args) > 2 {
		return usagef("the command takes one container and one port")
	}
	ports, err := e.PublishedPorts(args[0])
	if err != nil {
		return err
	}
	if len(args) == 2 {
		return showPort(app, ports, args[0], args[1])
	}
	for _, p := range ports {
		fmt.Fprintf(app.Out, "%d/%s -> %s\n", p.ContainerPort, p.Protocol, hostEnd(p))
	}
	return nil
}

// showPort prints where one port is; it is an error if it is nowhere.
func showPort(app *App, ports []state.Port, name, want string) error {
	number, proto, ok := strings.Cut(want, "/")
	if !ok {
		proto = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return usagef("invalid port %q: want PORT[/PROTOCOL]", want)
	}
	found := false
	for _, p := range ports {
		if uint64(p.ContainerPort) == n && p.Protocol == proto {
			fmt.Fprintln(app.Out, hostEnd(p))
			found = true
		}
	}
	if !found {
		return fmt.Errorf("failed to find published port %q of container %s", number+"/"+proto, name)
	}
	return nil
}

func showAllPorts(app *App, e *libpod.Engine) error {
	running, err := e.ContainerList(libpod.ListOptions{})
	if err != nil {
		return err
	}
	for _, c := range running {
		for _, p := range c.Ports() {
			fmt.Fprintf(app.Out, "%s\t%d/%s -> %s\n", c.Config.ID[:12], p.ContainerPort, p.Protocol, hostEnd(p))
		}
	}
	return nil
}

// hostEnd is where a port is published on the host.
func hostEnd(p state.Port) string {
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	return net.JoinHostPort(ip, strconv.Itoa(int(p.HostPort)))
}
