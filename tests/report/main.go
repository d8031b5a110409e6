// Command report reads `go test -json` on standard input, prints what failed
// and how long each package took, and counts: a failed test is a failure, and so
// is one that was skipped for a reason that is not in the file of allowed ones.
// Usage: go test -json … | report -skips tests/skips.txt
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"
)

// event is one line of go test -json, see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// counts is the outcome.
type counts struct {
	passed, failed, skipped int
	bad                     []string // what makes the run a failure
}

func main() {
	file := flag.String("skips", "tests/skips.txt", "allowed reasons for skipping")
	flag.Parse()
	allowed, err := reasons(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
	c := read(os.Stdin, os.Stdout, allowed)
	fmt.Printf("%d passed, %d failed, %d skipped with a reason\n", c.passed, c.failed, c.skipped)
	for _, b := range c.bad {
		fmt.Println("FAIL", b)
	}
	if len(c.bad) > 0 {
		os.Exit(1)
	}
}

// reasons reads regular expressions, one a line; # begins a comment.
func reasons(file string) ([]*regexp.Regexp, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*regexp.Regexp
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		re, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, re)
	}
	return all, nil
}

// read follows the events; packages are printed as they end.
func read(in io.Reader, out io.Writer, allowed []*regexp.Regexp) counts {
	var c counts
	logs := map[string]*strings.Builder{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // a build's output
			continue
		}
		key := e.Package + " " + e.Test
		if logs[key] == nil {
			logs[key] = new(strings.Builder)
		}
		switch e.Action {
		case "output", "build-output":
			logs[key].WriteString(e.Output)
			continue
		case "build-fail":
			c.bad = append(c.bad, key)
			continue
		case "pass", "fail", "skip":
		default:
			continue
		}
		c.ended(out, e, logs[key].String(), allowed)
		delete(logs, key)
	}
	for key, text := range logs { // cut off: the run was killed
		if strings.TrimSpace(key) != "" && strings.Contains(text.String(), "panic:") {
			fmt.Fprint(out, text.String())
		}
	}
	sort.Strings(c.bad)
	return c
}

// ended counts one test or package.
func (c *counts) ended(out io.Writer, e event, log string, allowed []*regexp.Regexp) {
	if e.Test == "" {
		if e.Action == "fail" {
			fmt.Fprint(out, log)
			c.bad = append(c.bad, e.Package)
		}
		if e.Elapsed >= 1 || e.Action == "fail" {
			fmt.Fprintf(out, "%-5s %6.1f s  %s\n", e.Action, e.Elapsed, e.Package)
		}
		return
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		c.bad = append(c.bad, e.Package+" "+e.Test)
		fmt.Fprint(out, log)
	case "skip":
		c.skipped++
		for _, re := range allowed {
			if re.MatchString(e.Package + " " + log) {
				return
			}
		}
		fmt.Fprint(out, log)
		c.bad = append(c.bad, e.Package+" "+e.Test+" (skipped for a reason that is not in the list)")
	}
}
