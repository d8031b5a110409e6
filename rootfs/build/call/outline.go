package call

import (
	"fmt"
	"io"
	"text/tabwriter"

	"skiff/rootfs/build/recipe"
)

// given is an argument, secret or agent in the JSON.
type given struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Value       string `json:"value,omitempty"`
	Required    bool   `json:"required,omitempty"`
	Location    *place `json:"location,omitempty"`
}

func all(list []recipe.Given) []given {
	var out []given
	for _, g := range list {
		out = append(out, given{g.Name, g.Description, g.Value, g.Required, at(g.Location)})
	}
	return out
}

// OutlineJSON writes what a target can be given as --call=outline,format=json
// does.
func OutlineJSON(w io.Writer, o recipe.Outline, source []byte) error {
	return indented(w, struct {
		Name        string   `json:"name,omitempty"`
		Description string   `json:"description,omitempty"`
		Args        []given  `json:"args,omitempty"`
		Secrets     []given  `json:"secrets,omitempty"`
		SSH         []given  `json:"ssh,omitempty"`
		Sources     [][]byte `json:"sources,omitempty"`
	}{o.Name, o.Description, all(o.Args), all(o.Secrets), all(o.SSH), [][]byte{source}})
}

// Outline writes it as --call=outline does.
func Outline(w io.Writer, o recipe.Outline) error {
	if o.Name != "" || o.Description != "" {
		rows := [][]any{{"TARGET:", orDefault(o.Name)}}
		if o.Description != "" {
			rows = append(rows, []any{"DESCRIPTION:", o.Description})
		}
		if err := table(w, 1, rows); err != nil {
			return err
		}
	}
	if len(o.Args) > 0 {
		rows := [][]any{{"BUILD ARG", "VALUE", "DESCRIPTION"}}
		for _, a := range o.Args {
			rows = append(rows, []any{a.Name, a.Value, a.Description})
		}
		if err := table(w, 3, rows); err != nil {
			return err
		}
	}
	if err := required(w, "SECRET", o.Secrets); err != nil {
		return err
	}
	return required(w, "SSH", o.SSH)
}

func required(w io.Writer, title string, list []recipe.Given) error {
	if len(list) == 0 {
		return nil
	}
	rows := [][]any{{title, "REQUIRED"}}
	for _, g := range list {
		mark := ""
		if g.Required {
			mark = "true"
		}
		rows = append(rows, []any{g.Name, mark})
	}
	return table(w, 3, rows)
}

// table writes rows in columns and an empty line.
func table(w io.Writer, padding int, rows [][]any) error {
	t := tabwriter.NewWriter(w, 0, 0, padding, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			sep := "\t"
			if i == len(r)-1 {
				sep = "\n"
			}
			fmt.Fprintf(t, "%v%s", cell, sep)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

func orDefault(name string) string {
	if name == "" {
		return "(default)"
	}
	return name
}

// TargetsJSON writes the stages as --call=targets,format=json does.
func TargetsJSON(w io.Writer, list []recipe.Target, source []byte) error {
	type target struct {
		Name        string `json:"name,omitempty"`
		Default     bool   `json:"default,omitempty"`
		Description string `json:"description,omitempty"`
		Base        string `json:"base,omitempty"`
		Platform    string `json:"platform,omitempty"`
		Location    *place `json:"location,omitempty"`
	}
	targets := []target{}
	for _, t := range list {
		targets = append(targets, target{t.Name, t.Default, t.Description, t.Base, t.Platform, at(t.Location)})
	}
	return indented(w, struct {
		Targets []target `json:"targets"`
		Sources [][]byte `json:"sources"`
	}{targets, [][]byte{source}})
}

// Targets writes them as --call=targets does.
func Targets(w io.Writer, list []recipe.Target) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "TARGET\tDESCRIPTION\n")
	for _, x := range list {
		name := x.Name
		if x.Default {
			name = "(default)"
			if x.Name != "" {
				name = x.Name + " (default)"
			}
		}
		fmt.Fprintf(t, "%s\t%s\n", name, x.Description)
	}
	return t.Flush()
}
