package jsonfile

import (
	"bytes"
	"encoding/json"
)

// Members calls each with the name and the value's text of every member of the
// JSON object in data, in their order, until each gives false. It reports
// whether it came to the object's end.
//
// It is for readers of many records that want a small part of each: what it
// passes over is not checked to be JSON, only to end. False means that
// encoding/json has to look at data, not that data is bad.
func Members(data []byte, each func(name, value []byte) bool) bool {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return false
	}
	if i = skipSpace(data, i+1); i < len(data) && data[i] == '}' {
		return skipSpace(data, i+1) == len(data)
	}
	for {
		i = skipSpace(data, i)
		end := stringEnd(data, i)
		if end < 0 || bytes.IndexByte(data[i:end], '\\') >= 0 {
			return false
		}
		name := data[i+1 : end-1]
		if i = skipSpace(data, end); i == len(data) || data[i] != ':' {
			return false
		}
		i = skipSpace(data, i+1)
		if end = valueEnd(data, i); end < 0 || !each(name, data[i:end]) {
			return false
		}
		if i = skipSpace(data, end); i == len(data) {
			return false
		}
		if data[i] == '}' {
			return skipSpace(data, i+1) == len(data)
		}
		if data[i] != ',' {
			return false
		}
		i++
	}
}

// Text decodes a value into a string and reports whether it is one.
func Text(value []byte, dst *string) bool {
	if n := len(value) - 1; n > 0 && value[0] == '"' && value[n] == '"' && plain(value[1:n]) {
		*dst = string(value[1:n])
		return true
	}
	return json.Unmarshal(value, dst) == nil
}

// Texts decodes a value into a list of strings and reports whether it is one.
func Texts(value []byte, dst *[]string) bool {
	if list, ok := texts(value); ok {
		*dst = list
		return true
	}
	return json.Unmarshal(value, dst) == nil
}

// texts decodes a list that has no spaces, and at least one string in it.
func texts(value []byte) (list []string, ok bool) {
	for i := 0; i < len(value) && (i == 0 && value[0] == '[' || i > 0 && value[i] == ','); {
		var s string
		end := stringEnd(value, i+1)
		if end < 0 || end == len(value) || !Text(value[i+1:end], &s) {
			return nil, false
		}
		if list = append(list, s); value[end] == ']' {
			return list, end+1 == len(value)
		}
		i = end
	}
	return nil, false
}

// plain reports whether a string's text is the string itself.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// stringEnd is the place behind the string that begins at i, or -1.
func stringEnd(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	for i++; ; i++ {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		escapes := 0
		for data[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd is the place behind the value that begins at i, or -1.
func valueEnd(data []byte, i int) int {
	start, depth := i, 0
	for i < len(data) {
		switch data[i] {
		case '"':
			if i = stringEnd(data, i); i < 0 || depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 { // of what the value is in
				return behind(start, i)
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return behind(start, i)
			}
		}
		i++
	}
	return -1
}

// behind is end, or -1 for a value of no length.
func behind(start, end int) int {
	if start == end {
		return -1
	}
	return end
}
