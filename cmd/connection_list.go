package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod/settings"
)

func newConnectionList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "system connection ls",
		Usage: "List Podman's connections to other machines",
		Description: `Lists the connections that Podman would use, from containers.conf and
podman-connections.json. skiff works on this machine only and uses none of them.

Examples:
skiff system connection ls
skiff system connection ls --format json`,
		Flags: []cli.Flag{
			text("Print in this `format`: json, or a Go template", "format", "f"),
			toggle("Print names only", "quiet", "q"),
		},
		Action: func(c *cli.Context) error { return listConnections(app, c) },
	}
}

func listConnections(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	set, err := loadSettings(app)
	if err != nil {
		return err
	}
	rows, err := configuration(app).AllConnections(set)
	if err != nil {
		return err
	}
	column := func(head string, cell func(settings.Connection) string) format.Column[settings.Connection] {
		return format.Column[settings.Connection]{Head: head, Cell: cell}
	}
	l := listing[settings.Connection]{
		columns: []format.Column[settings.Connection]{
			column("Name", func(r settings.Connection) string { return r.Name }),
			column("URI", func(r settings.Connection) string { return r.URI }),
			column("Identity", func(r settings.Connection) string { return r.Identity }),
			column("Default", func(r settings.Connection) string { return fmt.Sprint(r.Default) }),
			column("ReadWrite", func(r settings.Connection) string { return fmt.Sprint(r.ReadWrite) }),
		},
		document: func(rows []settings.Connection) any { return append([]settings.Connection{}, rows...) },
		fields: func(r settings.Connection) []field {
			return []field{{"Name", r.Name}, {"URI", r.URI}, {"Identity", r.Identity}, {"Default", fmt.Sprint(r.Default)}}
		},
	}
	if c.Bool("quiet") {
		l.quiet = func(r settings.Connection) string { return r.Name }
	}
	return l.print(app, c.String("format"), rows)
}
