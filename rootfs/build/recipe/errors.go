package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Error is a mistake in a Dockerfile.
type Error struct {
	Name     string // the file's
	Location []parser.Range
	// Step is the instruction; empty for a mistake that is in none.
	Step  string
	Msg   string
	cause error
}

func (e *Error) Error() string {
	if len(e.Location) == 0 {
		return e.Name + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.Name, e.Location[0].Start.Line, e.Msg)
}

func (e *Error) Unwrap() error { return e.cause }

// failure makes an Error of what the parser or an instruction returned. An
// instruction's name is put before a message that does not have it.
func (r *Recipe) failure(err error, at []parser.Range, instruction string) error {
	var done *Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	var located *parser.LocationError
	if len(at) == 0 && errors.As(err, &located) && len(located.Locations) > 0 {
		at = located.Locations[0]
	}
	msg := visible(strings.TrimSpace(err.Error()))
	name := strings.ToUpper(instruction)
	if name != "" && !hasWord(strings.ToUpper(msg), name) {
		msg = name + ": " + msg
	}
	return &Error{Name: r.Name, Location: atLeastOne(at), Msg: msg, cause: err}
}

// atStep says in an Error which instruction it is about.
func atStep(err error, c instructions.Command) error {
	var mistake *Error
	if said, ok := c.(fmt.Stringer); ok && errors.As(err, &mistake) && mistake.Step == "" {
		mistake.Step = visible(said.String())
	}
	return err
}

// hasWord reports whether a word is in a text, not as a part of a longer one.
func hasWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsLetter(c) }), word)
}

// atLeastOne corrects locations: the parser counts some lines from 0.
func atLeastOne(at []parser.Range) []parser.Range {
	out := make([]parser.Range, 0, len(at))
	for _, l := range at {
		l.Start.Line = max(l.Start.Line, 1)
		l.End.Line = max(l.End.Line, l.Start.Line)
		out = append(out, l)
	}
	return out
}

// errorf is a mistake at a place.
func (r *Recipe) errorf(at []parser.Range, format string, args ...any) error {
	return r.failure(fmt.Errorf(format, args...), at, "")
}

// visible makes one line of a text that may come from a hostile file, with
// nothing that a terminal would obey.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsControl(c):
			return '\uFFFD'
		}
		return c
	}, s)
}

// Excerpt shows lines of a Dockerfile with those at the ranges marked and some
// around them, as Docker does below an error. It is empty if the ranges are
// outside.
func Excerpt(name string, source []byte, at []parser.Range) string {
	first, last := bounds(at)
	lines := strings.Split(string(source), "\n")
	if first < 1 || first > len(lines) {
		return ""
	}
	last = min(last, len(lines))
	around := 1
	if first == last {
		around = 2
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d\n--------------------\n", name, first)
	for i := max(first-around, 1); i <= min(last+around, len(lines)); i++ {
		mark := "   "
		if within(at, i) {
			mark = ">>>"
		}
		line := strings.TrimSuffix(lines[i-1], "\r")
		fmt.Fprintf(&b, " %3d | %s %s\n", i, mark, keepTabs(line))
	}
	b.WriteString("--------------------\n")
	return b.String()
}

// keepTabs is visible for source code.
func keepTabs(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = visible(parts[i])
	}
	return strings.Join(parts, "\t")
}

// bounds is the first and the last line of ranges, 0 without any.
func bounds(at []parser.Range) (first, last int) {
	for _, l := range at {
		if first == 0 || l.Start.Line < first {
			first = l.Start.Line
		}
		last = max(last, l.Start.Line, l.End.Line)
	}
	return first, last
}

func within(at []parser.Range, line int) bool {
	for _, l := range at {
		if l.Start.Line <= line && line <= max(l.Start.Line, l.End.Line) {
			return true
		}
	}
	return false
}
