// Package logfile keeps containers' output: it writes, rotates and reads logs
// in Docker's json-file format, in the Kubernetes (CRI) format and in the
// system's journal.
//
// Not here: who is attached to a container. The monitor links this package:
// standard library, x/sys and state only.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// Stream is where a line came from.
type Stream uint8

// The streams of a container.
const (
	Stdout Stream = iota
	Stderr
)

func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

const (
	// maxLine is how many bytes of one line a record holds, as with Docker; a
	// longer line is continued in further records.
	maxLine = 16 << 10
	// scratchSize holds the longest encoded record (each byte may become six) and
	// some smaller ones, so that a chunk of output costs one write.
	scratchSize = 160 << 10
	maxRecord   = 6*maxLine + 512
)

// Meta is what drivers tell about the container beside its output.
type Meta struct {
	ID, Name, Image string
	Labels          map[string]string
}

// sink takes whole records.
type sink interface {
	// record takes one line or a part of one (partial), without its newline.
	record(s Stream, at time.Time, line []byte, partial bool)
	// flush hands on everything taken.
	flush()
	reopen() error
	trim()
	close()
}

// Writer writes a container's log. After Open nothing that happens to the log
// is an error for the container: what cannot be written is counted, and noted
// in the log once it can be written again.
//
// A Writer is for one goroutine.
type Writer struct {
	sink sink
	now  func() time.Time
	tail [2][]byte // the begun line of each stream
}

// Open opens the log that cfg describes.
func Open(cfg state.LogConfig, meta Meta) (*Writer, error) {
	w := &Writer{now: time.Now}
	var err error
	switch cfg.Driver {
	case state.LogJSONFile, "":
		w.sink, err = openFile(cfg, appendJSON)
	case state.LogK8sFile:
		w.sink, err = openFile(cfg, appendCRI)
	case state.LogJournald:
		w.sink, err = openJournal(cfg, meta)
	case state.LogNone, state.LogPassthrough:
	default:
		err = fmt.Errorf("unknown log driver %q", cfg.Driver)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	return w, nil
}

// Write logs a chunk of a stream as it was read. When it returns, all of it but
// a last line without newline has been handed to the system.
func (w *Writer) Write(s Stream, p []byte) {
	if w.sink == nil || len(p) == 0 {
		return
	}
	at := w.now().UTC()
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			w.keep(s, at, p)
			break
		}
		w.line(s, at, p[:n])
		p = p[n+1:]
	}
	w.sink.flush()
}

// line logs what is kept of a line and its rest, in parts if it is long.
func (w *Writer) line(s Stream, at time.Time, rest []byte) {
	if len(w.tail[s]) > 0 {
		w.keep(s, at, rest)
		w.sink.record(s, at, w.tail[s], false)
		w.tail[s] = w.tail[s][:0]
		return
	}
	for len(rest) > maxLine {
		n := cut(rest)
		w.sink.record(s, at, rest[:n], true)
		rest = rest[n:]
	}
	w.sink.record(s, at, rest, false)
}

// keep adds to a stream's begun line, logging full parts of it.
func (w *Writer) keep(s Stream, at time.Time, p []byte) {
	w.tail[s] = append(w.tail[s], p...)
	t := w.tail[s]
	for len(t) > maxLine {
		n := cut(t)
		w.sink.record(s, at, t[:n], true)
		t = t[n:]
	}
	w.tail[s] = append(w.tail[s][:0], t...)
}

// End logs what came without a newline; a container has ended.
func (w *Writer) End() {
	if w.sink == nil {
		return
	}
	for s := range w.tail {
		if len(w.tail[s]) > 0 {
			w.sink.record(Stream(s), w.now().UTC(), w.tail[s], true)
		}
		w.tail[s] = nil
	}
	w.sink.flush()
}

// Reopen closes the log file and opens the one that has its name now.
func (w *Writer) Reopen() error {
	if w.sink == nil {
		return nil
	}
	return w.sink.reopen()
}

// Trim gives unused memory back.
func (w *Writer) Trim() {
	if w.sink == nil {
		return
	}
	for s := range w.tail {
		if len(w.tail[s]) == 0 {
			w.tail[s] = nil
		}
	}
	w.sink.trim()
}

// Close ends the log.
func (w *Writer) Close() {
	if w.sink != nil {
		w.End()
		w.sink.close()
		w.sink = nil
	}
}

// cut is where to part a long line: at maxLine, but not within a UTF-8
// sequence.
func cut(p []byte) int {
	for n := maxLine; n > maxLine-4; n-- {
		if p[n]&0xc0 != 0x80 { // p[n] begins a sequence
			return n
		}
	}
	return maxLine
}

// scratch is memory outside of Go's heap that can be given back exactly.
func scratch(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	return b, nil
}

// writeAll writes p to fd; n is how much of it was written on error.
func writeAll(fd int, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(fd, p[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// Rename tells the log of the container's new name.
func (w *Writer) Rename(name string) {
	if j, ok := w.sink.(*journal); ok {
		j.rename(name)
	}
}
