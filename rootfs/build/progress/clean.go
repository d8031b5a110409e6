package progress

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const escape = 0x1b

// clean makes text safe to be shown: what a terminal would take for an order is
// left out but tabs, ends of lines become spaces, and what is no UTF-8 becomes
// U+FFFD.
func clean(s string) string {
	if plainText(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == escape || r == 0x9b || r == 0x9d || r == 0x90:
			n += sequence(s[i:], r, n)
		case r == '\t':
			out.WriteByte('\t')
		case r == '\n' || r == '\r':
			out.WriteByte(' ')
		case unicode.Is(unicode.Cc, r) || turns(r):
		default:
			out.WriteRune(r)
		}
		i += n
	}
	return out.String()
}

func plainText(s string) bool {
	for i := range len(s) {
		if (s[i] < ' ' || s[i] >= 0x7f) && s[i] != '\t' {
			return false
		}
	}
	return true
}

// turns says that a character changes the direction of those around it, with
// which text can be made to look like another.
func turns(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// sequence is how many bytes after the n first ones of s belong to the terminal
// order that begins there (ECMA-48, 5.4 and 5.6).
func sequence(s string, first rune, n int) int {
	rest := s[n:]
	kind := first
	extra := 0
	if first == escape {
		if rest == "" {
			return 0
		}
		switch rest[0] {
		case '[':
			kind = 0x9b
		case ']', 'P', 'X', '^', '_':
			kind = 0x9d
		default:
			// Intermediate bytes and a final one.
			for extra < len(rest) && rest[extra] >= 0x20 && rest[extra] <= 0x2f {
				extra++
			}
			if extra < len(rest) && rest[extra] >= 0x30 && rest[extra] <= 0x7e {
				extra++
			}
			return extra
		}
		extra, rest = 1, rest[1:]
	}
	if kind == 0x9b {
		for i := range len(rest) {
			if c := rest[i]; c < 0x20 || c > 0x3f {
				if c >= 0x40 && c <= 0x7e {
					i++
				}
				return extra + i
			}
		}
		return extra + len(rest)
	}
	// A string goes on to BEL or ST; one without end is cut here only.
	for i := range len(rest) {
		switch {
		case rest[i] == 7:
			return extra + i + 1
		case rest[i] == escape && i+1 < len(rest) && rest[i+1] == '\\':
			return extra + i + 2
		}
	}
	return extra
}
