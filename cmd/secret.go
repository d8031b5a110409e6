package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/cmd/parse"
	"skiff/libpod"
	"skiff/state"
)

func newSecretCreate(app *App) *cli.Command {
	return &cli.Command{
		Name:      "secret create",
		Usage:     "Store a secret",
		ArgsUsage: "NAME FILE|-",
		Description: `Stores the content of a file, or of standard input, as a secret, and prints its
id. login --secret takes the password from one.

Examples:
skiff secret create registry-password password.txt
printf secret | skiff secret create registry-password -`,
		Flags: []cli.Flag{
			toggle("Take the value of the environment variable FILE", "env"),
			list("Label, as NAME=VALUE", "label", "l"),
			toggle("Replace a secret that has the name", "replace"),
		},
		Action: func(c *cli.Context) error { return createSecret(app, c) },
	}
}

func createSecret(app *App, c *cli.Context) error {
	if err := exactly(c, 2); err != nil {
		return err
	}
	labels, err := parse.Pairs("label", c.StringSlice("label"))
	if err != nil {
		return usage(err)
	}
	data, err := secretContent(app, c.Args().Get(1), c.Bool("env"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	id, err := e.SecretCreate(c.Args().First(), data, labels, c.Bool("replace"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, id)
	return err
}

func secretContent(app *App, from string, env bool) ([]byte, error) {
	if env {
		value, ok := os.LookupEnv(from)
		if !ok {
			return nil, fmt.Errorf("cannot create secret store data: environment variable %q is not set", from)
		}
		return []byte(value), nil
	}
	in := app.In
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	} else if isTerminal(in) {
		return nil, errors.New("cannot read from terminal, use command-line redirection")
	}
	data, err := io.ReadAll(io.LimitReader(in, state.MaxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret: %w", err)
	}
	return data, nil
}

func newSecretList(app *App) *cli.Command {
	return &cli.Command{
		Name:  "secret ls",
		Usage: "List secrets",
		Description: `Lists the secrets, without what is in them. Filters: id, label, name.

Example:
skiff secret ls --filter name=registry`,
		Flags: []cli.Flag{
			list("List the secrets that match, such as name=web", "filter", "f"),
			text("Print in this `format`: json, a Go template, or \"table\" and a Go template", "format"),
			toggle("Do not print the headings", "noheading", "n"),
			toggle("Print ids only", "quiet", "q"),
		},
		Action: func(c *cli.Context) error { return listSecrets(app, c) },
	}
}

func listSecrets(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	filters, err := libpod.ParseFilters("secret", c.StringSlice("filter"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	all, unreadable := e.SecretList()
	found, err := libpod.SecretsMatching(all, filters)
	if err != nil {
		return err
	}
	rows := make([]secretRow, len(found))
	for i, s := range found {
		rows[i] = secretRow{s}
	}
	l := listing[secretRow]{
		columns: []format.Column[secretRow]{
			{Head: "ID", Cell: secretRow.ID}, {Head: "NAME", Cell: secretRow.Name}, {Head: "DRIVER", Cell: secretRow.Driver},
			{Head: "CREATED", Cell: secretRow.CreatedAt}, {Head: "UPDATED", Cell: secretRow.UpdatedAt},
		},
		heads: map[string]string{"CreatedAt": "CREATED", "UpdatedAt": "UPDATED"}, fields: secretRow.fields,
		document: func(rows []secretRow) any {
			docs := []any{}
			for _, r := range rows {
				docs = append(docs, object(r.fields()))
			}
			return docs
		},
		noHeading: c.Bool("noheading"),
	}
	if c.Bool("quiet") {
		l.quiet = secretRow.ID
	}
	return errors.Join(l.print(app, c.String("format"), rows), unreadable)
}

// secretRow is a secret as secret ls prints it. Its methods are the template
// fields of podman.
type secretRow struct{ s state.Secret }

func (r secretRow) ID() string        { return r.s.ID }
func (r secretRow) Name() string      { return r.s.Name }
func (r secretRow) Driver() string    { return "file" }
func (r secretRow) CreatedAt() string { return format.Ago(r.s.Created, time.Now()) }
func (r secretRow) UpdatedAt() string { return format.Ago(r.s.Created, time.Now()) }

func (r secretRow) fields() []field {
	return []field{{"ID", r.ID()}, {"Name", r.Name()}, {"CreatedAt", r.CreatedAt()}, {"UpdatedAt", r.UpdatedAt()}, {"Driver", r.Driver()}}
}

func newSecretRm(app *App) *cli.Command {
	return &cli.Command{
		Name:      "secret rm",
		Usage:     "Remove secrets",
		ArgsUsage: "SECRET [SECRET...]",
		Description: `Removes secrets and prints their ids.
Exit status 1: one of them does not exist.

Example:
skiff secret rm registry-password`,
		Flags: []cli.Flag{
			toggle("Remove all secrets", "all", "a"),
			toggle("Do not complain about secrets that do not exist", "ignore", "i"),
		},
		Action: func(c *cli.Context) error { return removeSecrets(app, c) },
	}
}

func removeSecrets(app *App, c *cli.Context) error {
	refs := c.Args().Slice()
	switch {
	case c.Bool("all") && len(refs) > 0:
		return usagef("--all and secrets cannot be used together")
	case !c.Bool("all") && len(refs) == 0:
		return usagef("you must provide at least one secret name or ID")
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	var unreadable error
	if c.Bool("all") {
		var all []state.Secret
		all, unreadable = e.SecretList()
		for _, s := range all {
			refs = append(refs, s.Name)
		}
	}
	return removeEach(app, refs, c.Bool("ignore"), e.SecretRemove, unreadable)
}

func newSecretExists(app *App) *cli.Command {
	return &cli.Command{
		Name:      "secret exists",
		Usage:     "Tell whether a secret exists",
		ArgsUsage: "SECRET",
		Description: `Prints nothing. Exit status 0: the secret exists; 1: it does not.

Example:
skiff secret exists registry-password || echo there is none`,
		Action: func(c *cli.Context) error {
			return exists(app, c, func(e *libpod.Engine, ref string) error {
				_, err := e.Secret(ref)
				return err
			})
		},
	}
}
