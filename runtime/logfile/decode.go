package logfile

import (
	"bytes"
	"encoding/json"
	"time"
)

// decodeJSON takes a json-file record apart. The form that Docker and skiff
// write is read without a general decoder.
func decodeJSON(line []byte) (Entry, bool) {
	if e, ok := decodeUsual(line); ok {
		return e, true
	}
	var r struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if json.Unmarshal(line, &r) != nil {
		return Entry{}, false
	}
	e := Entry{Time: r.Time, Text: []byte(r.Log), Partial: !endsLine([]byte(r.Log))}
	if r.Stream == "stderr" {
		e.Stream = Stderr
	}
	return e, true
}

func endsLine(p []byte) bool { return len(p) > 0 && p[len(p)-1] == '\n' }

// decodeUsual reads {"log":"…","stream":"…","time":"…"} with no escapes but the
// newline's at the end, quotes and backslashes; ok is false for anything else.
func decodeUsual(line []byte) (e Entry, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`))
	if !ok {
		return e, false
	}
	text := make([]byte, 0, len(rest))
	for {
		i := bytes.IndexAny(rest, `"\`)
		if i < 0 || i+1 >= len(rest) {
			return e, false
		}
		text = append(text, rest[:i]...)
		if rest[i] == '"' {
			rest = rest[i:]
			break
		}
		switch rest[i+1] {
		case 'n':
			text = append(text, '\n')
		case 't':
			text = append(text, '\t')
		case 'r':
			text = append(text, '\r')
		case '"', '\\':
			text = append(text, rest[i+1])
		default:
			return e, false
		}
		rest = rest[i+2:]
	}
	e.Text, e.Partial = text, !endsLine(text)
	if r, is := bytes.CutPrefix(rest, []byte(`","stream":"stdout","time":"`)); is {
		rest = r
	} else if r, is := bytes.CutPrefix(rest, []byte(`","stream":"stderr","time":"`)); is {
		rest, e.Stream = r, Stderr
	} else {
		return e, false
	}
	when, ok := bytes.CutSuffix(rest, []byte(`"}`))
	if !ok {
		return e, false
	}
	var err error
	e.Time, err = time.Parse(time.RFC3339Nano, string(when))
	return e, err == nil
}

// decodeCRI takes a record of the Kubernetes format apart.
func decodeCRI(line []byte) (e Entry, ok bool) {
	when, rest, ok1 := bytes.Cut(line, []byte{' '})
	stream, rest, ok2 := bytes.Cut(rest, []byte{' '})
	tag, text, ok3 := bytes.Cut(rest, []byte{' '})
	if !ok1 || !ok2 || !ok3 {
		return e, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(when))
	if err != nil {
		return e, false
	}
	switch string(stream) {
	case "stdout":
	case "stderr":
		e.Stream = Stderr
	default:
		return e, false
	}
	e.Time = t
	e.Partial = len(tag) > 0 && tag[0] == 'P'
	e.Text = append(make([]byte, 0, len(text)+1), text...)
	if !e.Partial {
		e.Text = append(e.Text, '\n')
	}
	return e, true
}
