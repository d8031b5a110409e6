package progress

import (
	"strconv"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// width is how many columns a line takes, colours aside.
func width(s string) int {
	n := 0
	for s != "" {
		i := strings.IndexByte(s, escape)
		if i < 0 {
			return n + displaywidth.String(s)
		}
		n += displaywidth.String(s[:i])
		s = s[i+1:]
		if j := strings.IndexByte(s, 'm'); j >= 0 {
			s = s[j+1:]
		}
	}
	return n
}

// fit cuts a line to so many columns.
func fit(s string, columns int) string {
	s = strings.ReplaceAll(s, "\t", " ")
	if columns <= 0 {
		return ""
	}
	if displaywidth.String(s) <= columns {
		return s
	}
	return displaywidth.TruncateString(s, columns, "")
}

// join puts one text on the left and one on the right of a line. Where there is
// no room for both, the right one is left out.
func join(left, right string, columns int) string {
	room := columns - displaywidth.String(right) - 1
	if right == "" || room < 16 {
		return fit(left, columns)
	}
	left = fit(left, room)
	return left + strings.Repeat(" ", columns-displaywidth.String(left)-displaywidth.String(right)) + right
}

// palette colours lines; without colours it leaves them as they are.
type palette struct{ run, warn, err, cancel, dim string }

// newPalette reads NO_COLOR (no-color.org) and BUILDKIT_COLORS, such as
// run=green:error=255,0,0.
func newPalette(env func(string) string) palette {
	if env("NO_COLOR") != "" || env("TERM") == "dumb" {
		return palette{}
	}
	p := palette{run: "34", warn: "33", err: "31", cancel: "33", dim: "2"}
	for field := range strings.SplitSeq(env("BUILDKIT_COLORS"), ":") {
		name, value, _ := strings.Cut(field, "=")
		code := colour(value)
		if code == "" {
			continue
		}
		switch name {
		case "run":
			p.run = code
		case "warning":
			p.warn = code
		case "error":
			p.err = code
		case "cancel":
			p.cancel = code
		}
	}
	return p
}

// colour is the terminal's number for a colour, by name or as R,G,B; empty if it
// is none.
func colour(value string) string {
	for i, name := range [...]string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"} {
		if value == name {
			return strconv.Itoa(30 + i)
		}
	}
	parts := strings.Split(value, ",")
	if len(parts) != 3 {
		return ""
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 8); err != nil {
			return ""
		}
	}
	return "38;2;" + strings.Join(parts, ";")
}

func in(code, s string) string {
	if code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) done(s string) string     { return in(p.run, s) }
func (p palette) failed(s string) string   { return in(p.err, s) }
func (p palette) canceled(s string) string { return in(p.cancel, s) }
func (p palette) warning(s string) string  { return in(p.warn, s) }
func (p palette) faint(s string) string    { return in(p.dim, s) }
