package cmd

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"
)

// rootHelp lists the commands and the global options.
func rootHelp(app *App, w io.Writer) error {
	fmt.Fprintf(w, "Run containers and manage images, without a daemon\n\nUsage:\n  %s [options] [command]\n\nAvailable Commands:\n", app.Name)
	rows := [][2]string{}
	for _, c := range commands() {
		if !strings.Contains(c.name, " ") {
			rows = append(rows, [2]string{c.name, c.new(app).Usage})
		}
	}
	for _, g := range groups() {
		if len(verbs(g[0])) > 0 && !strings.Contains(g[0], " ") {
			rows = append(rows, g)
		}
	}
	table(w, rows)
	fmt.Fprint(w, "\nOptions:\n")
	flags := globalFlags()
	if app.elsewhere() != "" { // it has been asked for already
		flags = slices.DeleteFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == "remote" })
	}
	options(w, flags)
	fmt.Fprintf(w, "\nExample:\n  %s run -d -p 8080:80 httpd\n", app.Name)
	return nil
}

// noCommand is the answer to a command line without one: the help. Options for
// a command that is missing are an error.
func noCommand(app *App) error {
	if app.Docker {
		return rootHelp(app, app.Err)
	}
	if len(app.Global.given) == 0 {
		return rootHelp(app, app.Out)
	}
	if err := rootHelp(app, app.Err); err != nil {
		return err
	}
	fmt.Fprintln(app.Err)
	return fmt.Errorf("missing command '%s COMMAND'", app.Name)
}

// groupHelp lists a group's commands. A group is no command by itself: without
// --help that is an error.
func groupHelp(app *App, group string, rest []string) error {
	usage := func(w io.Writer) {
		fmt.Fprintf(w, "Usage:\n  %s %s [command]\n\nAvailable Commands:\n", app.Name, group)
		table(w, groupRows(app, group))
	}
	if len(rest) == 0 {
		usage(app.Err)
		if app.Docker {
			return nil
		}
		fmt.Fprintln(app.Err)
		return fmt.Errorf("missing command '%s %s COMMAND'", app.Name, group)
	}
	if rest[0] != "--help" && rest[0] != "-h" {
		return withCommand(usagef("unknown flag: %s", rest[0]), app.Name+" "+group)
	}
	for _, g := range groups() {
		if g[0] == group {
			fmt.Fprintf(app.Out, "%s\n\n", g[1])
		}
	}
	usage(app.Out)
	return nil
}

func groupRows(app *App, group string) [][2]string {
	var rows [][2]string
	for verb, c := range verbs(group) {
		if strings.Contains(verb, " ") {
			continue // listed by its own group
		}
		rows = append(rows, [2]string{verb, c.new(app).Usage})
	}
	for _, g := range groups() {
		if verb, ok := strings.CutPrefix(g[0], group+" "); ok {
			rows = append(rows, [2]string{verb, g[1]})
		}
	}
	return rows
}

// verbs are a group's commands, each under its first name there.
func verbs(group string) map[string]command {
	out := map[string]command{}
	for _, c := range commands() {
		for _, n := range append([]string{c.name}, c.aliases...) {
			if verb, ok := strings.CutPrefix(n, group+" "); ok {
				out[verb] = c
				break
			}
		}
	}
	return out
}

// helpFor is `help WORD…`.
func helpFor(app *App, words []string) error {
	if len(words) == 0 {
		return rootHelp(app, app.Out)
	}
	c, path, rest, err := lookup(app, words)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return unknown(app, path, rest[0], nil)
	case c == nil:
		return groupHelp(app, path, []string{"--help"})
	}
	return commandHelp(app, c, c.new(app), path)
}

// commandHelp prints one command's page: what it does, usage, example, options.
func commandHelp(app *App, c *command, made *cli.Command, path string) error {
	w := app.Out
	fmt.Fprintf(w, "%s\n", made.Usage)
	text, example := splitExample(made.Description)
	if text != "" {
		fmt.Fprintf(w, "\nDescription:\n  %s\n", strings.ReplaceAll(text, "\n", "\n  "))
	}
	fmt.Fprintf(w, "\nUsage:\n  %s %s%s%s\n", app.Name, path, optionsWord(made), spaced(made.ArgsUsage))
	if names := append([]string{c.name}, c.aliases...); len(names) > 1 {
		for i, n := range names {
			names[i] = app.Name + " " + n
		}
		fmt.Fprintf(w, "\nAliases:\n  %s\n", strings.Join(names, ", "))
	}
	if example != "" {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.ReplaceAll(strings.ReplaceAll(example, "\n", "\n  "), "skiff ", app.Name+" "))
	}
	if len(made.Flags) > 0 {
		fmt.Fprint(w, "\nOptions:\n")
		options(w, made.Flags)
	}
	return nil
}

func optionsWord(c *cli.Command) string {
	if len(c.Flags) > 0 {
		return " [options]"
	}
	return ""
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// splitExample takes the lines after "Example:" or "Examples:" off a
// command's description, unindented.
func splitExample(desc string) (text, example string) {
	lines := strings.Split(strings.TrimSpace(desc), "\n")
	for i, l := range lines {
		if l = strings.TrimSpace(l); l != "Example:" && l != "Examples:" {
			continue
		}
		ex := lines[i+1:]
		for j := range ex {
			ex[j] = strings.TrimSpace(ex[j])
		}
		return strings.TrimSpace(strings.Join(lines[:i], "\n")), strings.Join(ex, "\n")
	}
	return strings.TrimSpace(desc), ""
}

// options prints flags sorted by their long name, short names first.
func options(w io.Writer, flags []cli.Flag) {
	var rows [][2]string
	for _, f := range flags {
		v, ok := f.(cli.DocGenerationFlag)
		if vis, can := f.(cli.VisibleFlag); !ok || can && !vis.IsVisible() {
			continue
		}
		long, short := "", ""
		for _, n := range f.Names() {
			if len(n) == 1 && short == "" {
				short = n
			} else if len(n) > 1 && long == "" {
				long = n
			}
		}
		row := "    --" + long
		if short != "" {
			row = "-" + short + ", --" + long
		}
		rows = append(rows, [2]string{row + spaced(valueWord(f)), v.GetUsage()})
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i][0][6:] < rows[j][0][6:] })
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "  %-*s   %s\n", width, r[0], r[1])
	}
}

// valueWord is what stands for a flag's value in the list of options.
func valueWord(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return ""
	case *cli.StringSliceFlag:
		return "strings"
	case *cli.IntFlag, *cli.Int64Flag, *cli.UintFlag, *cli.Uint64Flag:
		return "int"
	case *cli.DurationFlag:
		return "duration"
	case *cli.Float64Flag:
		return "float"
	}
	return "string"
}

func table(w io.Writer, rows [][2]string) {
	sort.Slice(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "  %-*s  %s\n", width, r[0], r[1])
	}
}
