package cmd

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"skiff/libpod"
)

// silentApp is enough for constructors.
func silentApp() *App {
	return &App{
		Name: "skiff", Out: io.Discard, Err: io.Discard,
		Engine: func() (*libpod.Engine, error) { return nil, errNoEngine },
	}
}

func manPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "man", name))
	if err != nil {
		t.Errorf("there is no page: %v", err)
	}
	return string(b)
}

// TestManPages: each command has a page with all sections, and each flag a
// paragraph under a heading that has all of its names.
func TestManPages(t *testing.T) {
	for _, c := range commands() {
		page := manPage(t, "skiff-"+strings.ReplaceAll(c.name, " ", "-")+".1.md")
		made := c.new(silentApp())
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(page, "\n## "+section+"\n") {
				t.Errorf("%s: the page has no section %s", c.name, section)
			}
		}
		checkFlags(t, c.name, page, made.Flags)
	}
	checkFlags(t, "skiff", manPage(t, "skiff.1.md"), globalFlags())
}

func checkFlags(t *testing.T, name, page string, flags []cli.Flag) {
	t.Helper()
	headings := map[string]string{} // heading to the paragraph after it
	blocks := strings.Split(page, "\n\n")
	for i, b := range blocks[:max(len(blocks)-1, 0)] {
		if strings.HasPrefix(b, "**-") {
			headings[b] = blocks[i+1]
		}
	}
	for _, f := range flags {
		found := false
		for h, text := range headings {
			all := true
			for _, n := range f.Names() {
				dash := "--"
				if len(n) == 1 {
					dash = "-"
				}
				all = all && strings.Contains(h, "**"+dash+n+"**")
			}
			found = found || all && len(text) > 10 && !strings.HasPrefix(text, "**-") && !strings.HasPrefix(text, "#")
		}
		if !found {
			t.Errorf("%s: the page has no paragraph on --%s", name, strings.Join(f.Names(), ", -"))
		}
	}
	known := map[string]bool{}
	for _, f := range flags {
		known[f.Names()[0]] = true
	}
	for h := range headings {
		if m := regexp.MustCompile(`\*\*--?([a-z0-9-]+)\*\*`).FindStringSubmatch(h); m == nil || !known[m[1]] {
			t.Errorf("%s: the page speaks of %q, which the command does not have", name, h)
		}
	}
}

// TestCommandsAreWhole: each command has a usage line, an example of itself,
// and flags without clashes.
func TestCommandsAreWhole(t *testing.T) {
	names := map[string]string{}
	for _, c := range commands() {
		for _, n := range append([]string{c.name}, c.aliases...) {
			if other, taken := names[n]; taken {
				t.Errorf("%q is both %s and %s", n, other, c.name)
			}
			names[n] = c.name
		}
		made := c.new(silentApp())
		if made.Usage == "" {
			t.Errorf("%s has no usage line", c.name)
		}
		if _, example := splitExample(made.Description); !strings.Contains(example, "skiff "+c.name) {
			t.Errorf("%s has no example", c.name)
		}
		seen := map[string]bool{}
		for _, f := range made.Flags {
			for _, n := range f.Names() {
				if seen[n] {
					t.Errorf("%s has two flags %q", c.name, n)
				}
				seen[n] = true
			}
			if d, ok := f.(cli.DocGenerationFlag); !ok || d.GetUsage() == "" {
				t.Errorf("%s: --%s has no usage line", c.name, f.Names()[0])
			}
		}
		if err := func() error {
			set := flag.NewFlagSet(c.name, flag.ContinueOnError)
			for _, f := range made.Flags {
				if err := f.Apply(set); err != nil {
					return err
				}
			}
			return nil
		}(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
