package cmd

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
)

func newHistory(app *App) *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "Show how an image was made",
		ArgsUsage: "IMAGE",
		Description: `Lists the steps that made an image, the newest first.

Example:
skiff history --no-trunc httpd`,
		Flags: append(formatFlags(),
			&cli.BoolFlag{Name: "human", Aliases: []string{"H"}, Value: true, Usage: "Print sizes and dates for people"},
			toggle("Print ids only", "quiet", "q"),
		),
		Action: func(c *cli.Context) error { return imageHistory(app, c) },
	}
}

func imageHistory(app *App, c *cli.Context) error {
	if err := exactly(c, 1); err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	steps, err := e.ImageHistory(c.Args().First())
	if err != nil {
		return err
	}
	rows := make([]historyRow, 0, len(steps))
	for _, s := range steps {
		rows = append(rows, historyRow{s: s, now: time.Now(), noTrunc: c.Bool("no-trunc"), human: c.Bool("human"), docker: app.Docker})
	}
	if c.Bool("quiet") {
		for _, r := range rows {
			fmt.Fprintln(app.Out, r.ID())
		}
		return nil
	}
	l := listing[historyRow]{
		heads: map[string]string{"ID": "ID", "CreatedBy": "CREATED BY", "CreatedSince": "CREATED"},
		columns: []format.Column[historyRow]{
			{Head: "ID", Cell: historyRow.ID}, {Head: "CREATED", Cell: historyRow.Created},
			{Head: "CREATED BY", Cell: historyRow.CreatedBy}, {Head: "SIZE", Cell: historyRow.Size},
			{Head: "COMMENT", Cell: historyRow.Comment},
		},
		fields: historyRow.fields, noHeading: c.Bool("noheading"),
		document: func(rows []historyRow) any { return rows },
	}
	if app.Docker {
		l.heads["ID"], l.columns[0].Head = "IMAGE", "IMAGE"
		if !c.Bool("human") {
			l.columns[1].Head = "CREATED AT"
		}
	} else if want := c.String("format"); format.IsJSON(want) {
		return format.JSON(app.Out, rows, "") // podman has it on one line
	}
	return l.print(app, c.String("format"), rows)
}

// historyRow is a step as history prints it.
type historyRow struct {
	s                      libpod.ImageStep
	now                    time.Time
	noTrunc, human, docker bool
}

func (r historyRow) ID() string {
	switch {
	case r.s.ID == "":
		return "<missing>"
	case r.noTrunc && r.docker:
		return "sha256:" + r.s.ID
	case r.noTrunc:
		return r.s.ID
	}
	return format.ShortID(r.s.ID)
}

func (r historyRow) Created() string {
	if r.s.Created.IsZero() {
		return "N/A"
	}
	if r.human {
		return format.Ago(r.s.Created, r.now)
	}
	return r.CreatedAt()
}

func (r historyRow) CreatedAt() string    { return r.s.Created.Format(time.RFC3339) }
func (r historyRow) CreatedSince() string { return r.Created() }
func (r historyRow) Comment() string      { return r.s.Comment }
func (r historyRow) Tags() []string       { return r.s.Tags }

func (r historyRow) CreatedBy() string {
	by := strings.ReplaceAll(r.s.CreatedBy, "\t", " ")
	if r.noTrunc {
		return by
	}
	if r.docker {
		return format.Ellipsis(by, 45, "…")
	}
	return format.Ellipsis(by, 45, "...")
}

func (r historyRow) Size() string {
	if r.human {
		return format.Size(r.s.Size)
	}
	return strconv.FormatInt(r.s.Size, 10)
}

// fields are docker's, in its order.
func (r historyRow) fields() []field {
	return []field{
		{"Comment", r.Comment()}, {"CreatedAt", r.CreatedAt()}, {"CreatedBy", r.CreatedBy()},
		{"CreatedSince", r.CreatedSince()}, {"ID", r.ID()}, {"Size", r.Size()},
	}
}

// MarshalJSON is podman's JSON of a step.
func (r historyRow) MarshalJSON() ([]byte, error) {
	if r.docker {
		return object(r.fields()), nil
	}
	id := r.s.ID
	if id == "" {
		id = "<missing>"
	}
	return json.Marshal(struct {
		ID        string   `json:"id"`
		Created   string   `json:"created"`
		CreatedBy string   `json:",omitempty"`
		Tags      []string `json:"tags,omitempty"`
		Size      int64    `json:"size"`
		Comment   string   `json:"comment"`
	}{id, r.CreatedAt(), r.s.CreatedBy, r.s.Tags, r.s.Size, r.s.Comment})
}
