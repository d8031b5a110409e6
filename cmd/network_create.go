package cmd

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/parse"
	"skiff/netsetup/define"
)

func newNetworkCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network create",
		Usage:     "Create a network",
		ArgsUsage: "[NAME]",
		Description: `Makes a network for containers and prints its name, which is generated if none is
given. Containers of a network find each other by their names. A subnet that is not
given is chosen; only with --subnet may containers ask for addresses (--ip).

Examples:
skiff network create backend
skiff network create --subnet 10.5.0.0/24 --gateway 10.5.0.1 --ip-range 10.5.0.128/25 web
skiff network create --internal --ipv6 db
skiff network create -d macvlan -o parent=eth0.30 --subnet 192.0.2.0/24 --gateway 192.0.2.1 lan`,
		Flags:  networkCreateFlags(),
		Action: func(c *cli.Context) error { return createNetwork(app, c) },
	}
}

func networkCreateFlags() []cli.Flag {
	return []cli.Flag{
		toggle("Let containers be attached by hand (always possible)", "attachable"),
		list("An address in the subnet that others have, as name=address", "aux-address"),
		toggle("Give containers no names in the network", "disable-dns"),
		list("A name server for what is no name of the network", "dns"),
		text("The network's driver: bridge, macvlan or ipvlan", "driver", "d"),
		list("The gateway of a subnet", "gateway"),
		toggle("Do not complain if the network is there already", "ignore"),
		text("The name of the bridge, or the parent of macvlan and ipvlan", "interface-name"),
		toggle("Keep the network from everything outside", "internal"),
		list("Choose addresses from this part of a subnet: CIDR or FIRST-LAST", "ip-range"),
		text("Where addresses come from: host-local or none", "ipam-driver"),
		list("Set an option of the address driver, as key=value (there are none)", "ipam-opt"),
		&cli.BoolFlag{Name: "ipv4", Value: true, Usage: "Give containers IPv4 addresses"},
		toggle("Give containers IPv6 addresses", "ipv6"),
		list("Set a label, as key=value", "label"),
		list("Set an option of the driver, as key=value, such as mtu=9000", "opt", "o"),
		list("A route of every container: DESTINATION,GATEWAY[,METRIC]", "route"),
		text("The network's scope: local", "scope"),
		list("A subnet in CIDR form, one of each family", "subnet"),
	}
}

func createNetwork(app *App, c *cli.Context) error {
	switch {
	case app.Docker && c.NArg() != 1:
		return usagef("the command takes exactly one name")
	case c.NArg() > 1:
		return usagef("the command takes at most one name")
	}
	q, err := networkRequest(c)
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	r, err := e.NetworkCreate(q)
	if err != nil && c.Bool("ignore") {
		if have, _, ierr := e.NetworkInspect(q.Name); ierr == nil {
			r, err = have, nil
		}
	}
	if err != nil {
		return err
	}
	if app.Docker {
		_, err = fmt.Fprintln(app.Out, r.ID)
	} else {
		_, err = fmt.Fprintln(app.Out, r.Name)
	}
	return err
}

func networkRequest(c *cli.Context) (q define.Request, err error) {
	q = define.Request{
		Name: c.Args().First(), Driver: c.String("driver"), IPAM: c.String("ipam-driver"), Interface: c.String("interface-name"),
		Gateways: c.StringSlice("gateway"), Ranges: c.StringSlice("ip-range"), DNS: c.StringSlice("dns"), Routes: c.StringSlice("route"),
		IPv6: c.Bool("ipv6"), NoIPv4: !c.Bool("ipv4"), Internal: c.Bool("internal"), NoDNS: c.Bool("disable-dns"), Attachable: c.Bool("attachable"),
	}
	q.Subnets = c.StringSlice("subnet")
	if s := c.String("scope"); s != "" && s != "local" {
		return q, usagef("invalid scope %q: there are only networks of this machine", s)
	}
	for _, o := range c.StringSlice("ipam-opt") {
		return q, usagef("unknown option of the address driver: %s", o)
	}
	for _, p := range []struct {
		what, flag string
		to         *map[string]string
	}{{"label", "label", &q.Labels}, {"option", "opt", &q.Options}, {"aux address", "aux-address", &q.Reserved}} {
		if *p.to, err = parse.Pairs(p.what, c.StringSlice(p.flag)); err != nil {
			return q, err
		}
	}
	return q, dockerFamilies(&q)
}

// dockerFamilies are Docker's options for --ipv4 and --ipv6.
func dockerFamilies(q *define.Request) error {
	for key, v := range q.Options {
		on := strings.ToLower(v) == "true" || v == "1"
		switch key {
		case "com.docker.network.enable_ipv6":
			q.IPv6 = on
		case "com.docker.network.enable_ipv4":
			q.NoIPv4 = !on
		}
	}
	return nil
}

func newNetworkUpdate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "network update",
		Usage:     "Change a network's name servers",
		ArgsUsage: "NETWORK",
		Description: `Adds and drops the name servers that the network's containers use for what is no name
of a container. It holds at once, for running containers too.

Example:
skiff network update --dns-add 192.0.2.53 --dns-drop 192.0.2.1 backend`,
		Flags: []cli.Flag{
			list("Add a name server", "dns-add"),
			list("Drop a name server", "dns-drop"),
		},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			e, err := app.Engine()
			if err != nil {
				return err
			}
			name := c.Args().First()
			if err := e.NetworkUpdate(name, commaSeparated(c.StringSlice("dns-add")), commaSeparated(c.StringSlice("dns-drop"))); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, name)
			return err
		},
	}
}

// commaSeparated splits values that hold several, with commas between.
func commaSeparated(values []string) (out []string) {
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}
