package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scenario is a sequence of lines that one engine runs in a directory of its own.
type scenario struct {
	file, title string
	lines       []line
}

// line is one line for the shell.
type line struct {
	text string
	// silent lines are run for what they do; nothing of them is compared.
	silent bool
	// known are the differences that are meant or waited for, by aspect.
	known map[string]known
}

// known is a difference that does not fail the test.
type known struct {
	reason string
	// pending: it is to go away, and the test fails when it has.
	pending bool
}

// Aspects of a line that are compared.
const (
	aspectExit   = "exit"
	aspectStdout = "stdout"
	aspectStderr = "stderr"
)

// parseScenarios reads a file of them:
//
//	# a comment
//	== title
//	docker rm nosuch
//	! stderr: why this difference is meant
//	? exit,stdout: what this line waits for
//	- docker rm -f web        (run, not compared)
func parseScenarios(file, text string) ([]scenario, error) {
	var out []scenario
	for n, raw := range strings.Split(text, "\n") {
		fail := func(what string) error { return fmt.Errorf("%s:%d: %s: %q", file, n+1, what, raw) }
		raw = strings.TrimSpace(raw)
		head, rest, _ := strings.Cut(raw, " ")
		switch {
		case raw == "" || strings.HasPrefix(raw, "#"):
		case head == "==":
			out = append(out, scenario{file: file, title: rest})
		case len(out) == 0:
			return nil, fail("a line before the first title")
		case head == "!" || head == "?":
			lines := out[len(out)-1].lines
			aspects, reason, ok := strings.Cut(rest, ": ")
			if !ok || len(lines) == 0 || strings.TrimSpace(reason) == "" {
				return nil, fail("want ASPECT: REASON below a command line")
			}
			for _, a := range strings.Split(aspects, ",") {
				if a != aspectExit && a != aspectStdout && a != aspectStderr {
					return nil, fail("no such aspect")
				}
				lines[len(lines)-1].known[a] = known{reason: reason, pending: head == "?"}
			}
		default:
			l := line{text: raw, known: map[string]known{}}
			if head == "-" {
				l.text, l.silent = rest, true
			}
			s := &out[len(out)-1]
			s.lines = append(s.lines, l)
		}
	}
	return out, nil
}

// note names one "?" of a scenario.
type note struct{ file, title, text, aspect string }

// withoutNotes takes notes away from a file of scenarios.
func withoutNotes(text string, gone []note) string {
	var b strings.Builder
	title, command := "", ""
	for raw := range strings.Lines(text) {
		line := strings.TrimSpace(raw)
		head, rest, _ := strings.Cut(line, " ")
		switch head {
		case "==":
			title = rest
		case "?":
			aspects, reason, _ := strings.Cut(rest, ": ")
			var left []string
			for _, a := range strings.Split(aspects, ",") {
				if !slices.ContainsFunc(gone, func(n note) bool { return n.title == title && n.text == command && n.aspect == a }) {
					left = append(left, a)
				}
			}
			if len(left) > 0 {
				b.WriteString("? " + strings.Join(left, ",") + ": " + reason + "\n")
			}
			continue
		case "!", "#", "":
		default:
			command = line
		}
		b.WriteString(raw)
	}
	return b.String()
}

// loadScenarios reads all files of scenarios.
func loadScenarios(t *testing.T) []scenario {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	titles := map[string]bool{}
	for _, f := range files {
		if filepath.Base(f) == "keys.txt" {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parseScenarios(filepath.Base(f), string(data))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if titles[s.title] {
				t.Fatalf("%s: two scenarios are titled %q", f, s.title)
			}
			titles[s.title] = true
		}
		all = append(all, list...)
	}
	return all
}

// compared counts the command lines whose results are compared.
func compared(all []scenario) (n int) {
	for _, s := range all {
		for _, l := range s.lines {
			if !l.silent && strings.Contains(l.text, "docker ") {
				n++
			}
		}
	}
	return n
}

// loadKeys reads the differences of documents: "PATH: reason" a line. A path
// ends in * where all below it is meant.
func loadKeys(t *testing.T) map[string]known {
	t.Helper()
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]known{}
	for n, l := range strings.Split(string(data), "\n") {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		path, reason, ok := strings.Cut(l, ": ")
		if !ok {
			t.Fatalf("keys.txt:%d: want PATH: REASON, got %q", n+1, l)
		}
		keys[path] = known{reason: reason}
	}
	return keys
}

// differences is testdata/differences.md.
func differences(all []scenario, keys map[string]known) string {
	var b strings.Builder
	b.WriteString("# Differences from Docker\n\nWritten by `go test ./tests/peers -run List -update`. Docker is Debian 12's, 20.10.\n")
	for _, kind := range []struct {
		title   string
		pending bool
	}{{"Meant", false}, {"Waited for", true}} {
		fmt.Fprintf(&b, "\n## %s\n\n", kind.title)
		for _, s := range all {
			for _, l := range s.lines {
				for _, a := range []string{aspectExit, aspectStdout, aspectStderr} {
					if k, ok := l.known[a]; ok && k.pending == kind.pending {
						fmt.Fprintf(&b, "- `%s` (%s, %s): %s\n", l.text, s.title, a, k.reason)
					}
				}
			}
		}
	}
	b.WriteString("\n## In documents\n\n")
	for _, path := range sorted(keys) {
		fmt.Fprintf(&b, "- `%s`: %s\n", path, keys[path].reason)
	}
	return b.String()
}
