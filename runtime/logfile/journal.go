package logfile

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

const (
	journalSocket = "/run/systemd/journal/socket"
	// journalWait bounds how long a stalled journal may hold the container up.
	journalWait = 200_000 // microseconds
)

// journal is the sink that speaks journald's native protocol: one datagram of
// fields for each record.
type journal struct {
	cfg    state.LogConfig
	meta   Meta
	fd     int
	addr   *unix.SockaddrUnix
	fields []byte // the fields that all records have
	buf    []byte
	// stalled is set after a record was lost, so that further ones do not wait.
	stalled bool
	lost    int
}

func openJournal(cfg state.LogConfig, meta Meta) (*journal, error) {
	if err := unix.Access(journalSocket, unix.W_OK); err != nil {
		return nil, errors.New("the journal's socket " + journalSocket + " cannot be used: " + err.Error())
	}
	j, err := dialJournal(journalSocket)
	if err != nil {
		return nil, err
	}
	j.cfg, j.meta = cfg, meta
	j.setFields()
	return j, nil
}

func dialJournal(path string) (*journal, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: journalWait})
	return &journal{fd: fd, addr: &unix.SockaddrUnix{Name: path}}, nil
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
		j.fields = appendField(j.fields, f[0], []byte(f[1]))
	}
	for k, v := range j.meta.Labels {
		if name := fieldName(k); name != "" && !reserved(name) {
			j.fields = appendField(j.fields, name, []byte(v))
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

// appendField appends one field in the form that allows any bytes: the name, a
// newline, the length (64 bits, little endian), the value, a newline.
func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, '\n')
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(value)))
	dst = append(dst, value...)
	return append(dst, '\n')
}

func (j *journal) record(s Stream, _ time.Time, line []byte, partial bool) {
	if j.lost > 0 {
		note := appendField(nil, "MESSAGE", []byte("skiff: lines were lost because the journal did not take them"))
		if j.send(append(append(note, "PRIORITY=4\n"...), j.fields...)) {
			j.lost = 0
		}
	}
	j.buf = appendField(j.buf[:0], "MESSAGE", line)
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

// send sends one datagram and reports whether the journal has it.
func (j *journal) send(p []byte) bool {
	flags := unix.MSG_NOSIGNAL
	if j.stalled {
		flags |= unix.MSG_DONTWAIT
	}
	err := unix.Sendto(j.fd, p, flags, j.addr)
	for errors.Is(err, unix.EINTR) {
		err = unix.Sendto(j.fd, p, flags, j.addr)
	}
	ok := err == nil
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		ok = j.sendFile(p)
	}
	j.stalled = !ok
	return ok
}

// sendFile sends what is too large for a datagram in a sealed memory file.
func (j *journal) sendFile(p []byte) bool {
	fd, err := unix.MemfdCreate("skiff-log", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if _, err := writeAll(fd, p); err != nil {
		return false
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return false
	}
	return unix.Sendmsg(j.fd, nil, unix.UnixRights(fd), j.addr, unix.MSG_NOSIGNAL) == nil
}

func (j *journal) flush()        {}
func (j *journal) reopen() error { return nil }
func (j *journal) trim()         { j.buf = nil }
func (j *journal) close()        { unix.Close(j.fd) }
