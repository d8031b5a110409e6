package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
)

// listing is how a command prints rows.
type listing[T any] struct {
	// columns are the command's own table.
	columns []format.Column[T]
	// heads are headings of template fields, where they are not the field's name.
	heads map[string]string
	// document makes what --format json prints of the rows in Podman's style:
	// one document.
	document func([]T) any
	// fields are the names of the template fields that --format json prints of
	// each row in Docker's style.
	fields func(T) []field
	// noHeading is the option of that name, or its like.
	noHeading bool
	// quiet, if set, makes all that is printed of a row without a --format.
	quiet func(T) string
}

// field is one field of a row in Docker's style.
type field struct{ name, value string }

// formatFlags are the options that every list has; short are short names of
// --noheading.
func formatFlags(short ...string) []cli.Flag {
	return []cli.Flag{
		text("Print in this `format`: json, a Go template, or \"table\" and a Go template", "format"),
		toggle("Do not print the headings", "noheading", short...),
		toggle("Do not shorten ids and other long values", "no-trunc"),
	}
}

// style is whose display the command has.
func (app *App) style() format.Style {
	if app.Docker {
		return format.Docker
	}
	return format.Podman
}

// print prints rows the way that the --format value wants; empty is the table.
func (l listing[T]) print(app *App, want string, rows []T) error {
	switch {
	case want == "" && l.quiet != nil:
		for _, r := range rows {
			fmt.Fprintln(app.Out, l.quiet(r))
		}
		return nil
	case want == "" || want == "table":
		return format.Table(app.Out, app.style(), l.columns, rows, !l.noHeading)
	case format.IsJSON(want) && !app.Docker:
		return format.JSON(app.Out, l.document(rows), "    ")
	case format.IsJSON(want):
		return l.jsonLines(app.Out, rows)
	}
	t, err := format.ParseTemplate(want, app.style())
	if err != nil {
		return err
	}
	return format.Rows(app.Out, t, rows, l.heads, !l.noHeading)
}

// jsonLines prints a document of the template fields for each row.
func (l listing[T]) jsonLines(w io.Writer, rows []T) error {
	for _, r := range rows {
		if err := format.JSON(w, object(l.fields(r)), ""); err != nil {
			return err
		}
	}
	return nil
}

// object makes JSON of fields in their order.
func object(fields []field) json.RawMessage {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, s := range []string{f.name, f.value} {
			text, _ := json.Marshal(s)
			b.Write(text)
			if j == 0 {
				b.WriteByte(':')
			}
		}
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}

// documents prints what inspect found: as a JSON list, or each by a template.
func documents(app *App, want string, docs []any) error {
	if want == "" || format.IsJSON(want) {
		if docs == nil {
			docs = []any{}
		}
		indent := "     "
		if app.Docker {
			indent = "    "
		}
		return format.JSON(app.Out, docs, indent)
	}
	t, err := documentTemplate(app, want)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := t.Document(app.Out, d); err != nil {
			return err
		}
	}
	return nil
}

// documentTemplate reads the template of a command that shows documents.
func documentTemplate(app *App, want string) (*format.Template, error) {
	t, err := format.ParseTemplate(want, app.style())
	if app.Docker {
		err = withCode(exitTemplate, err)
	}
	return t, err
}

// confirm asks a question whose answer is no unless it is yes.
func confirm(app *App, warning string) bool {
	fmt.Fprintf(app.Out, "WARNING! %s\nAre you sure you want to continue? [y/N] ", warning)
	var answer string
	if app.In != nil {
		if _, err := fmt.Fscanln(app.In, &answer); err != nil {
			return false // no answer is no
		}
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes"
}

// confirmed is confirm for what frees space. Docker says how much that was also
// where it is not to go on.
func confirmed(app *App, warning string) bool {
	yes := confirm(app, warning)
	if !yes && app.Docker {
		fmt.Fprintln(app.Out, "Total reclaimed space: 0B")
	}
	return yes
}

func oneOf(value string, choices ...string) bool {
	for _, c := range choices {
		if value == c {
			return true
		}
	}
	return false
}
