package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
)

func newConnectionList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "system connection ls",
		Usage: "List connections to other machines (skiff has none)",
		Description: `Prints the headings only: skiff works on this machine.

Example:
skiff system connection ls --format json`,
		Flags: []cli.Flag{
			text("Print in this `format`: json, a Go template, or \"table\" and a Go template", "format", "f"),
			toggle("Print names only", "quiet", "q"),
		},
		Action: func(c *cli.Context) error {
			if err := exactly(c, 0); err != nil || c.Bool("quiet") {
				return err
			}
			return listConnections(app, c.String("format"))
		},
	}
}

// connectionRow would be a connection; there is none.
type connectionRow struct{}

func listConnections(app *App, want string) error {
	l := listing[connectionRow]{document: func([]connectionRow) any { return []connectionRow{} }}
	for _, head := range []string{"Name", "URI", "Identity", "Default", "ReadWrite"} {
		l.columns = append(l.columns, format.Column[connectionRow]{Head: head})
	}
	if err := l.print(app, want, nil); err != nil {
		return fmt.Errorf("cannot list connections: %w", err)
	}
	return nil
}
