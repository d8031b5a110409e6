package logfile

import (
	"strings"
	"time"

	"skiff/state"
	native "skiff/state/journal"
)

// journal is the sink that speaks journald's native protocol.
type journal struct {
	cfg    state.LogConfig
	meta   Meta
	conn   *native.Conn
	fields []byte // the fields that all records have
	buf    []byte
	lost   int
}

func openJournal(cfg state.LogConfig, meta Meta) (*journal, error) {
	if err := native.Available(); err != nil {
		return nil, err
	}
	conn, err := native.Dial(native.Socket)
	if err != nil {
		return nil, err
	}
	j := &journal{cfg: cfg, meta: meta, conn: conn}
	j.setFields()
	return j, nil
}

// setFields makes the fields that all records have.
func (j *journal) setFields() {
	short := j.meta.ID[:min(12, len(j.meta.ID))]
	tag := j.cfg.Tag
	if tag == "" {
		tag = short
	}
	j.fields = nil
	for _, f := range [][2]string{
		{"CONTAINER_ID", short}, {"CONTAINER_ID_FULL", j.meta.ID}, {"CONTAINER_NAME", j.meta.Name},
		{"CONTAINER_TAG", tag}, {"IMAGE_NAME", j.meta.Image}, {"SYSLOG_IDENTIFIER", tag},
	} {
		j.fields = native.AppendField(j.fields, f[0], []byte(f[1]))
	}
	for k, v := range j.meta.Labels {
		if name := fieldName(k); name != "" && !reserved(name) {
			j.fields = native.AppendField(j.fields, name, []byte(v))
		}
	}
}

func (j *journal) rename(name string) {
	j.meta.Name = name
	j.setFields()
}

// reserved says whether a field has a meaning of its own, to the journal or to
// those who look for a container's lines; see systemd.journal-fields(7).
func reserved(name string) bool {
	switch name {
	case "MESSAGE", "MESSAGE_ID", "PRIORITY", "ERRNO", "IMAGE_NAME", "TID", "UNIT", "USER_UNIT", "DOCUMENTATION":
		return true
	}
	for _, family := range []string{"CONTAINER_", "SYSLOG_", "CODE_", "COREDUMP_", "OBJECT_"} {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return false
}

// fieldName makes a label's name one that the journal takes: upper-case
// letters, digits and underscores, not beginning with an underscore or digit.
func fieldName(label string) string {
	b := []byte(label)
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z':
			b[i] = c - 'a' + 'A'
		case c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0:
		default:
			b[i] = '_'
		}
	}
	for len(b) > 0 && b[0] == '_' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 64 || b[0] <= '9' {
		return ""
	}
	return string(b)
}

func (j *journal) record(s Stream, _ time.Time, line []byte, partial bool) {
	if j.lost > 0 {
		note := native.AppendField(nil, "MESSAGE", []byte("skiff: lines were lost because the journal did not take them"))
		if j.send(append(append(note, "PRIORITY=4\n"...), j.fields...)) {
			j.lost = 0
		}
	}
	j.buf = native.AppendField(j.buf[:0], "MESSAGE", line)
	if s == Stderr {
		j.buf = append(j.buf, "PRIORITY=3\n"...)
	} else {
		j.buf = append(j.buf, "PRIORITY=6\n"...)
	}
	if partial {
		j.buf = append(j.buf, "CONTAINER_PARTIAL_MESSAGE=true\n"...)
	}
	j.buf = append(j.buf, j.fields...)
	if j.lost > 0 || !j.send(j.buf) {
		j.lost++
	}
}

// send reports whether the journal has the record.
func (j *journal) send(p []byte) bool { return j.conn.Send(p) == nil }

func (j *journal) flush()        {}
func (j *journal) reopen() error { return nil }
func (j *journal) trim()         { j.buf = nil }
func (j *journal) close()        { j.conn.Close() }
