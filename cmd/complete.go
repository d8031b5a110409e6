package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeCommand is the hidden command that the shells' scripts ask: what the
// last of its words may become, one candidate a line with its description after
// a tab, and at the end a colon and the sum of these, as Cobra's programs say it.
//
// completeNoAbout is the same without descriptions. Both say at the end on
// standard error what the sum means, for those who look into a script.
const (
	completeCommand = "__complete"
	completeNoAbout = "__completeNoDesc"

	completeNoSpace = 2
	completeNoFiles = 4
)

// candidate is one way to go on.
type candidate struct{ word, about string }

// answer is what the shell is told.
type answer struct {
	list []candidate
	how  int
}

func files() answer { return answer{} }

func choices(words ...string) answer {
	a := answer{how: completeNoFiles}
	for _, w := range words {
		a.list = append(a.list, candidate{word: w})
	}
	return a
}

// directive is the sum in Cobra's words.
func (a answer) directive() string {
	var words []string
	if a.how&completeNoSpace != 0 {
		words = append(words, "ShellCompDirectiveNoSpace")
	}
	if a.how&completeNoFiles != 0 {
		words = append(words, "ShellCompDirectiveNoFileComp")
	}
	if words == nil {
		return "ShellCompDirectiveDefault"
	}
	return strings.Join(words, ", ")
}

// complete is `skiff __complete WORD… LAST`. It fails in silence: there is
// nobody to read an error.
func complete(app *App, args []string, about bool) error {
	if len(args) == 0 {
		args = []string{""}
	}
	done, last := args[:len(args)-1], args[len(args)-1]
	a := completion(app, done, last)
	for i, c := range a.list {
		again := slices.ContainsFunc(a.list[:i], func(b candidate) bool { return b.word == c.word })
		if again || !strings.HasPrefix(c.word, last) {
			continue
		}
		line := oneLine(c.word)
		if c.about != "" && about {
			line += "\t" + oneLine(c.about)
		}
		fmt.Fprintln(app.Out, line)
	}
	fmt.Fprintf(app.Out, ":%d\n", a.how)
	_, err := fmt.Fprintf(app.Err, "Completion ended with directive: %s\n", a.directive())
	return err
}

// completion reads the words before the last one as far as they go.
func completion(app *App, done []string, last string) answer {
	if f := pending(globalFlags(), done, false); f != nil {
		return flagValue(app, "", f, last)
	}
	w, err := canonical(globalFlags(), done, false)
	if err != nil {
		return choices()
	}
	if _, err := readGlobals(app, words{options: w.options}); err != nil {
		return choices()
	}
	if len(w.rest) == 0 {
		if strings.HasPrefix(last, "-") {
			return flagNames(globalFlags(), last)
		}
		return commandNames(app, "")
	}
	c, path, rest, err := lookup(app, w.rest)
	switch {
	case err != nil:
		return choices()
	case c == nil && len(rest) == 0:
		return commandNames(app, path)
	case c == nil:
		return choices()
	}
	return c.completion(app, rest, last)
}

// completion goes on after the command's name.
func (c *command) completion(app *App, done []string, last string) answer {
	flags := append(slices.Clone(c.new(app).Flags), persistentFlags()...)
	if f := pending(flags, done, !c.verbatim); f != nil {
		return flagValue(app, c.name, f, last)
	}
	w, err := canonical(flags, done, !c.verbatim)
	if err != nil {
		return choices()
	}
	var late words
	for _, o := range w.options {
		if name, _, _ := strings.Cut(strings.TrimPrefix(o, "--"), "="); findFlag(persistentFlags(), name) != nil {
			late.options = append(late.options, o)
		}
	}
	if len(late.options) > 0 {
		if _, err := readGlobals(app, late); err != nil {
			return choices()
		}
		app.Engine = openEngine(app)
	}
	if strings.HasPrefix(last, "-") && !slices.Contains(done, "--") && (!c.verbatim || len(w.rest) == 0) {
		name, value, given := strings.Cut(last, "=")
		if !given {
			return flagNames(c.new(app).Flags, last)
		}
		f := findFlag(flags, strings.TrimLeft(name, "-"))
		if f == nil {
			return choices()
		}
		a := flagValue(app, c.name, f, value)
		for i := range a.list {
			a.list[i].word = name + "=" + a.list[i].word
		}
		return a
	}
	return argument(app, c.name, w, last)
}

// pending is the option that the last of these words gives no value yet; nil if
// the words are complete.
func pending(flags []cli.Flag, done []string, interspersed bool) cli.Flag {
	if len(done) == 0 {
		return nil
	}
	before, err := canonical(flags, done[:len(done)-1], interspersed)
	if err != nil || !interspersed && len(before.rest) > 0 || slices.Contains(done[:len(done)-1], "--") {
		return nil
	}
	word := done[len(done)-1]
	if len(word) < 2 || word[0] != '-' || word == "--" || strings.Contains(word, "=") {
		return nil
	}
	name := strings.TrimPrefix(word, "--")
	if name == word { // of bundled short options only the last may want a value
		for i := 1; i < len(word)-1; i++ {
			if f := findFlag(flags, word[i:i+1]); f == nil || !isBool(f) {
				return nil
			}
		}
		name = word[len(word)-1:]
	}
	f := findFlag(flags, name)
	if _, alone := f.(*optional); f == nil || alone || isBool(f) {
		return nil
	}
	return f
}

// flagNames are options that begin with last; short ones if only a dash is there.
func flagNames(flags []cli.Flag, last string) answer {
	a := answer{how: completeNoFiles}
	for _, f := range flags {
		about := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			about = strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		name, more := names(f)
		for _, n := range append([]string{name}, more...) {
			switch {
			case len(n) > 1:
				a.list = append(a.list, candidate{"--" + n, about})
			case last == "-"+n:
				a.list = append(a.list, candidate{"-" + n, about})
			}
		}
	}
	a.list = append(a.list, candidate{"--help", "Print help"})
	slices.SortFunc(a.list, func(x, y candidate) int { return strings.Compare(x.word, y.word) })
	return a
}

// commandNames are the commands of a group, or all words that may come first.
func commandNames(app *App, group string) answer {
	a := answer{how: completeNoFiles}
	if group != "" {
		for _, r := range groupRows(app, group) {
			a.list = append(a.list, candidate{r[0], r[1]})
		}
	} else {
		for _, c := range commands() {
			if !strings.Contains(c.name, " ") {
				a.list = append(a.list, candidate{c.name, c.new(app).Usage})
			}
		}
		for _, g := range groups() {
			if strings.Contains(g[0], " ") {
				continue
			}
			a.list = append(a.list, candidate{g[0], g[1]})
		}
		a.list = append(a.list, candidate{"help", "Print help"})
	}
	slices.SortFunc(a.list, func(x, y candidate) int { return strings.Compare(x.word, y.word) })
	return a
}
