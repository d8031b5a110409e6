package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestHandbook does what the handbook's chapters and the README show: each
// chapter is a script of its own, with roots and a network namespace of its own
// and both test images loaded, see cmdChapter.
func TestHandbook(t *testing.T) {
	if tier() != "rootless" && os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	top := os.Getenv("SKIFF_DOCS") // where the tests run without the repository
	if top == "" {
		top = "../.."
	}
	chapters, err := filepath.Glob(filepath.Join(top, "docs/handbook/[0-9]*.md"))
	if err != nil || len(chapters) == 0 {
		t.Fatalf("no chapters in %s (%v)", top, err)
	}
	skiff := program(t)
	t.Setenv("SKIFF", skiff)
	var scripts []string
	dir := t.TempDir()
	for _, path := range append(chapters, filepath.Join(top, "README.md")) {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := readChapter(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.tier != tier() {
			continue
		}
		script := filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".md")+".txtar")
		text := fmt.Sprintf("load busybox httpd\nchapter %s\nleaks\n", path)
		if c.needs == "tun" {
			text = "[!tun] skip '/dev/net/tun cannot be opened'\n" + text
		}
		if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	if len(scripts) == 0 {
		t.Fatalf("no chapters for tier %s", tier())
	}
	cmds := commands()
	cmds["chapter"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: chapter FILE")
		}
		cmdChapter(ts, args[0])
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(env *testscript.Env) error { return setup(env, skiff) },
		Cmds:  cmds, Condition: condition,
	})
}

// pageCommands are commands() and what only pages need.
func pageCommands() map[string]func(*testscript.TestScript, bool, []string) {
	m := commands()
	m["install"] = cmdInstall
	return m
}

// cmdInstall puts skiff where units look for it, on the bed's own machine.
func cmdInstall(ts *testscript.TestScript, neg bool, args []string) {
	const path = "/usr/local/bin/skiff"
	if neg || len(args) != 0 || tier() != "systemd" {
		ts.Fatalf("usage: install, in the systemd tier")
	}
	text := fmt.Sprintf("#!/bin/sh\nexec %s --root %s --runroot %s \"$@\"\n", os.Getenv("SKIFF"), ts.Getenv("ROOT"), ts.Getenv("RUNROOT"))
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	ts.Check(err)
	defer f.Close()
	_, err = f.WriteString(text)
	ts.Check(err)
	ts.Defer(func() { os.Remove(path) })
}

// chapter is what of a page is tried.
type chapter struct {
	tier  string
	needs string
	steps []step
}

// step is one command with what it must print, or the frame's own command.
type step struct {
	line    int
	command string
	// want are the lines of its output, of both streams.
	want []string
	// frame: the command is one of commands(), not the shell's.
	frame bool
}

// readChapter takes a page apart. In its ```console blocks "$ " begins a command
// and "> " goes on with it; all else is output. An HTML comment can stand before
// them:
//
//	<!-- tier: rootless -->    where the page is tried; root is the default
//	<!-- needs: tun -->        what it cannot be tried without
//	<!-- test: registry -->    a command of the scripts, which readers need not see
func readChapter(path string) (*chapter, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &chapter{tier: "root"}
	in := false
	for i, line := range strings.Split(string(data), "\n") {
		at := fmt.Sprintf("%s:%d", path, i+1)
		comment, isComment := strings.CutPrefix(line, "<!-- ")
		comment = strings.TrimSuffix(comment, " -->")
		last := len(c.steps) - 1
		switch {
		case !in && line == "```console":
			in = true
			c.steps = append(c.steps, step{})
		case !in && isComment && strings.HasPrefix(comment, "tier: "):
			c.tier = strings.TrimPrefix(comment, "tier: ")
		case !in && isComment && strings.HasPrefix(comment, "needs: "):
			c.needs = strings.TrimPrefix(comment, "needs: ")
		case !in && isComment && strings.HasPrefix(comment, "test: "):
			c.steps = append(c.steps, step{line: i + 1, command: strings.TrimPrefix(comment, "test: "), frame: true})
		case !in:
		case line == "```":
			in = false
		case strings.HasPrefix(line, "$ "):
			c.steps = append(c.steps, step{line: i + 1, command: line[2:]})
		case c.steps[last].command == "":
			return nil, fmt.Errorf("%s: output before the first command", at)
		case (line == ">" || strings.HasPrefix(line, "> ")) && len(c.steps[last].want) == 0:
			c.steps[last].command += "\n" + strings.TrimPrefix(line[1:], " ")
		default:
			c.steps[last].want = append(c.steps[last].want, line)
		}
	}
	if in {
		return nil, fmt.Errorf("%s: a block does not end", path)
	}
	c.steps = slices.DeleteFunc(c.steps, func(s step) bool { return s.command == "" })
	if len(c.steps) == 0 {
		return nil, fmt.Errorf("%s has nothing to try", path)
	}
	return c, nil
}

// pattern is the regular expression for the output of a command: … stands for
// some text in a line, and alone in a line for any lines. How many spaces there
// are between words is not looked at.
func pattern(want []string) string {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, line := range want {
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?:.*\n)*`)
			continue
		}
		text := strings.Join(strings.Fields(line), " ")
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*") + `\n`)
	}
	return b.String() + `\z`
}

// squeezed is output as pattern looks at it.
func squeezed(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// onlyLooks are commands that change nothing. They are repeated until they print
// what they should, because what they look at may take a moment.
var onlyLooks = regexp.MustCompile(`^(curl|systemctl is-active|skiff (ps|logs|inspect|port|top|exec \w+ ps)) `)

// cmdChapter does the steps of a page, one after the other.
func cmdChapter(ts *testscript.TestScript, path string) {
	c, err := readChapter(path)
	ts.Check(err)
	status := 0
	for _, s := range c.steps {
		if s.frame {
			words := strings.Fields(s.command)
			do, ok := pageCommands()[words[0]]
			if !ok {
				ts.Fatalf("%s:%d: no command %q", path, s.line, words[0])
			}
			do(ts, false, words[1:])
			continue
		}
		re := regexp.MustCompile(pattern(s.want))
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			out, code := shell(ts, s.command, status)
			if re.MatchString(squeezed(out)) {
				ts.Logf("$ %s\n%s", s.command, out)
				status = code
				break
			}
			if !onlyLooks.MatchString(s.command+" ") || time.Now().After(deadline) {
				ts.Fatalf("%s:%d: $ %s\nprinted (status %d):\n%s\nwant:\n%s", path, s.line, s.command, code, out, strings.Join(s.want, "\n"))
			}
		}
	}
}

// shell runs a command line as the reader does, $? being the status of the one
// before, and gives what it printed.
func shell(ts *testscript.TestScript, command string, before int) (out string, status int) {
	text := "cd\n(exit " + strconv.Itoa(before) + ")\n" + command + "\n"
	cmd := exec.Command("bash", "-c", text)
	for _, name := range []string{
		"PATH", "HOME", "USER", "TERM", "XDG_RUNTIME_DIR", "ROOT", "RUNROOT", "REGISTRY",
		"CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF",
	} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	data, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("cannot run bash: %v", err)
	}
	out = string(data)
	if strings.Contains(out, "goroutine ") {
		ts.Fatalf("skiff crashed:\n%s", out)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return out, status
}

// TestPattern: a page that says what is not so is found out.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		want, out string
		ok        bool
	}{
		{"", "", true},
		{"", "words\n", false},
		{"words", "", false},
		{"some words", "some   words\n", true},
		{"some words", "some words", true},
		{"some words", "some words\nmore\n", false},
		{"a.c", "abc\n", false},
		{"up … ago", "up 3 seconds ago\n", true},
		{"up … ago", "up\nago\n", false},
		{"first\n…\nlast", "first\nlast\n", true},
		{"first\n…\nlast", "first\na\nb\nlast\n", true},
		{"first\n…", "second\n", false},
	} {
		var want []string
		if c.want != "" {
			want = strings.Split(c.want, "\n")
		}
		if got := regexp.MustCompile(pattern(want)).MatchString(squeezed(c.out)); got != c.ok {
			t.Errorf("%q for %q: %v, want %v", c.out, c.want, got, c.ok)
		}
	}
}
