package logfile

import (
	"time"
	"unicode/utf8"
)

// encoder appends one record in a file format, with its final newline.
type encoder func(dst []byte, s Stream, at time.Time, line []byte, partial bool) []byte

// appendJSON appends Docker's json-file record. A partial line is one whose
// text does not end with a newline.
func appendJSON(dst []byte, s Stream, at time.Time, line []byte, partial bool) []byte {
	dst = append(dst, `{"log":"`...)
	dst = appendEscaped(dst, line)
	if !partial {
		dst = append(dst, `\n`...)
	}
	dst = append(dst, `","stream":"`...)
	dst = append(dst, s.String()...)
	dst = append(dst, `","time":"`...)
	dst = at.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, "\"}\n"...)
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends p as the inside of a JSON string, escaping what
// encoding/json escapes; bytes that are not UTF-8 become U+FFFD.
func appendEscaped(dst, p []byte) []byte {
	start := 0
	for i := 0; i < len(p); {
		c := p[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, p[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, p[start:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			start = i
			continue
		}
		if r == '\u2028' || r == '\u2029' {
			dst = append(dst, p[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			i += size
			start = i
			continue
		}
		i += size
	}
	return append(dst, p[start:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// criTime is the Kubernetes log's RFC 3339 with a fixed number of digits.
const criTime = "2006-01-02T15:04:05.000000000Z07:00"

// appendCRI appends a record of the Kubernetes container log format:
// time, stream, P (partial) or F (full), text.
func appendCRI(dst []byte, s Stream, at time.Time, line []byte, partial bool) []byte {
	dst = at.AppendFormat(dst, criTime)
	dst = append(dst, ' ')
	dst = append(dst, s.String()...)
	if partial {
		dst = append(dst, " P "...)
	} else {
		dst = append(dst, " F "...)
	}
	dst = append(dst, line...)
	return append(dst, '\n')
}
