package format

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Column is one column of a command's own table.
type Column[T any] struct {
	Head string
	Cell func(T) string
}

// Table prints rows in aligned columns below their headings.
//
// What a cell shows was often chosen by others (labels, commands, names in a
// registry): control characters are shown as escapes, so that a cell is neither
// two lines nor an instruction to the terminal.
func Table[T any](w io.Writer, style Style, cols []Column[T], rows []T, heading bool) error {
	lines := make([][]string, 0, len(rows)+1)
	if heading {
		head := make([]string, len(cols))
		for i, c := range cols {
			head[i] = c.Head
		}
		lines = append(lines, head)
	}
	for _, r := range rows {
		cells := make([]string, len(cols))
		for i, c := range cols {
			cells[i] = Printable(c.Cell(r))
		}
		lines = append(lines, cells)
	}
	return align(w, style, lines)
}

// align pads cells to columns. The last cell of a line is not padded.
func align(w io.Writer, style Style, lines [][]string) error {
	least, gap := 12, 2
	if style == Docker {
		least, gap = 10, 3
	}
	var widths []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, least)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell)+gap)
		}
	}
	var out bytes.Buffer // one write: a terminal shows all at once
	for _, line := range lines {
		for i, cell := range line {
			out.WriteString(cell)
			if i == len(line)-1 {
				break
			}
			for n := utf8.RuneCountInString(cell); n < widths[i]; n++ {
				out.WriteByte(' ')
			}
		}
		out.WriteByte('\n')
	}
	_, err := out.WriteTo(w)
	return err
}

// Printable shows control characters and broken UTF-8 as escapes.
func Printable(s string) string {
	clean := func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) || bidi(r) }
	if strings.IndexFunc(s, clean) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch _, n := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatInt(int64(s[i]), 16))
		case unicode.IsControl(r) || bidi(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// bidi reports the invisible characters that turn the direction of text.
func bidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }
