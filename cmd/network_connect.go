package cmd

import (
	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/state"
)

func newNetworkConnect(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network connect",
		Usage:     "Connect a container to a network",
		ArgsUsage: "NETWORK CONTAINER",
		Description: `Makes the container a member of one more network, at once if it runs, and for its
next start. Its published ports stay where they are.

Examples:
skiff network connect backend web
skiff network connect --ip 10.1.0.9 --alias db backend web`,
		Flags: []cli.Flag{
			list("Further name of the container in the network", "alias"),
			text("IPv4 address to have", "ip"),
			text("IPv6 address to have", "ip6"),
			text("MAC address to have", "mac-address"),
			list("Option of the network's driver, as KEY=VALUE", "driver-opt"),
			text("Which network has the default route: the one with the highest number", "gw-priority"),
			list("Not supported: in networks of your own containers have names", "link"),
			list("Not supported: the kernel gives link-local addresses", "link-local-ip"),
		},
		Action: func(c *cli.Context) error { return connectNetwork(app, c) },
	}
}

func connectNetwork(app *App, c *cli.Context) error {
	if err := exactly(c, 2); err != nil {
		return err
	}
	ep, err := wantedEndpoint(c)
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	warnings, err := e.NetworkConnect(c.Context, c.Args().Get(1), ep)
	for _, w := range warnings {
		app.Log.Warn(w)
	}
	return err
}

// wantedEndpoint reads the flags of network connect.
func wantedEndpoint(c *cli.Context) (state.Endpoint, error) {
	ep := state.Endpoint{Network: c.Args().First()}
	if len(c.StringSlice("link")) > 0 {
		return ep, usagef("--link is not supported: in a network of your own containers reach each other by name, see --alias")
	}
	option := func(flag, value string) error {
		if err := parse.EndpointOption(&ep, flag, value); err != nil {
			return usagef("--%s: %v", flag, err)
		}
		return nil
	}
	for _, flag := range []string{"ip", "ip6", "mac-address", "gw-priority"} {
		if c.IsSet(flag) {
			if err := option(flag, c.String(flag)); err != nil {
				return ep, err
			}
		}
	}
	for _, flag := range []string{"alias", "driver-opt", "link-local-ip"} {
		for _, v := range c.StringSlice(flag) {
			if err := option(flag, v); err != nil {
				return ep, err
			}
		}
	}
	return ep, nil
}
