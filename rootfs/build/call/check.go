package call

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"skiff/rootfs/build/recipe"
)

// Check is what the checks of a Dockerfile found.
type Check struct {
	Name     string // the file's
	Source   []byte
	Warnings []recipe.Warning
	// Err is what kept the checks from coming to their end, or nil.
	Err error
}

// OK says that there is nothing to complain about: exit status 0.
func (c Check) OK() bool { return len(c.Warnings) == 0 && c.Err == nil }

// Text writes it as docker build --check does.
func (c Check) Text(w io.Writer) error {
	p := printer{w: w}
	switch n := len(c.Warnings); {
	case n == 1:
		p.f("Check complete, 1 warning has been found!\n")
	case n > 1:
		p.f("Check complete, %d warnings have been found!\n", n)
	case c.Err == nil:
		p.f("Check complete, no warnings found.\n")
	}
	for _, x := range ordered(c.Warnings) {
		p.f("\nWARNING: %s", x.Rule)
		if x.URL != "" {
			p.f(" - %s", x.URL)
		}
		p.f("\n%s\n%s", x.Message, recipe.Excerpt(c.Name, c.Source, x.Location))
	}
	if c.Err != nil {
		if len(c.Warnings) > 0 {
			p.f("\n")
		}
		msg, excerpt := c.failure()
		p.f("%s\n%s", msg, excerpt)
	}
	return p.err
}

// failure is the error's text and the lines that it is about.
func (c Check) failure() (msg, excerpt string) {
	var e *recipe.Error
	if !errors.As(c.Err, &e) {
		return c.Err.Error(), ""
	}
	return e.Msg, recipe.Excerpt(c.Name, c.Source, e.Location)
}

// JSON writes it as --call=check,format=json does.
func (c Check) JSON(w io.Writer) error {
	type warning struct {
		RuleName    string `json:"ruleName"`
		Description string `json:"description,omitempty"`
		URL         string `json:"url,omitempty"`
		Detail      string `json:"detail,omitempty"`
		Location    *place `json:"location,omitempty"`
	}
	type source struct {
		Filename string `json:"filename,omitempty"`
		Language string `json:"language,omitempty"`
		Data     []byte `json:"data,omitempty"`
	}
	type failure struct {
		Message  string `json:"message"`
		Location place  `json:"location"`
	}
	out := struct {
		Warnings []warning `json:"warnings"`
		Sources  []source  `json:"sources"`
		Error    *failure  `json:"buildError,omitempty"`
	}{Warnings: []warning{}, Sources: []source{{c.Name, "Dockerfile", c.Source}}}
	for _, x := range ordered(c.Warnings) {
		out.Warnings = append(out.Warnings, warning{x.Rule, x.Description, x.URL, x.Message, at(x.Location)})
	}
	if c.Err != nil {
		out.Error = &failure{Message: c.Err.Error()}
		var e *recipe.Error
		if errors.As(c.Err, &e) {
			out.Error.Message = e.Msg
			if p := at(e.Location); p != nil {
				out.Error.Location = *p
			}
		}
	}
	return indented(w, out)
}

// Summary is what a build says at its end about warnings, empty if there are
// none.
func Summary(warnings []recipe.Warning) string {
	if len(warnings) == 0 {
		return ""
	}
	s := fmt.Sprintf(" %d warnings found (use --check to expand):\n", len(warnings))
	if len(warnings) == 1 {
		s = " 1 warning found (use --check to expand):\n"
	}
	for _, x := range ordered(warnings) {
		s += fmt.Sprintf(" - %s: %s", x.Rule, x.Message)
		if n := line(x); n > 0 {
			s += fmt.Sprintf(" (line %d)", n)
		}
		s += "\n"
	}
	return s
}

// ordered are warnings by line.
func ordered(warnings []recipe.Warning) []recipe.Warning {
	out := slices.Clone(warnings)
	slices.SortStableFunc(out, func(a, b recipe.Warning) int { return line(a) - line(b) })
	return out
}

func line(x recipe.Warning) int {
	if len(x.Location) == 0 {
		return 0
	}
	return x.Location[0].Start.Line
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
