package logfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"skiff/state"
)

// Entry is one record of a log.
type Entry struct {
	Time   time.Time
	Stream Stream
	// Text is the line with its newline, or a part of one without (Partial). It
	// is only valid during the callback.
	Text    []byte
	Partial bool
}

// ReadOptions say what Read reads.
type ReadOptions struct {
	// Tail is how many of the last lines to read; -1 means all.
	Tail int
	// Since and Until bound the time of the entries; zero means no bound.
	Since, Until time.Time
	// Follow goes on with what is written until Running says that the container
	// has no monitor any more, and all it wrote was read.
	Follow  bool
	Running func() bool
	// ID is the container's full id, by which the journal is asked.
	ID string
}

// errUntil ends a read at the upper bound of time.
var errUntil = errors.New("later than asked for")

// Read calls f for each entry of a log, oldest first, across rotated files.
// It ends early with f's error. A log that is not there is empty.
func Read(cfg state.LogConfig, o ReadOptions, f func(Entry) error) error {
	switch cfg.Driver {
	case state.LogJSONFile, "":
		return readFiles(cfg, o, decodeJSON, f)
	case state.LogK8sFile:
		return readFiles(cfg, o, decodeCRI, f)
	case state.LogJournald:
		return readJournal(o, f)
	}
	return errors.New("cannot read logs: the container's log driver is " + cfg.Driver)
}

// decoder takes a line of a file apart; ok is false for a damaged one.
type decoder func(line []byte) (e Entry, ok bool)

// reader goes through the files of one log.
type reader struct {
	path   string
	decode decoder
	o      ReadOptions
	f      func(Entry) error
	rest   []byte // of the present file: a record that is not whole yet
	buf    []byte
}

func readFiles(cfg state.LogConfig, o ReadOptions, d decoder, f func(Entry) error) error {
	r := &reader{path: cfg.Path, decode: d, o: o, f: f, buf: make([]byte, 64<<10)}
	var watch *watcher
	if o.Follow {
		watch = newWatcher(cfg.Path)
		defer watch.close()
	}
	files, err := openAll(cfg.Path)
	if err != nil {
		return err
	}
	defer func() { closeAll(files) }()
	if o.Tail >= 0 {
		if files, err = seekTail(files, o.Tail, d); err != nil {
			return err
		}
	}
	err = r.readAll(files)
	if err == nil && o.Follow {
		err = r.follow(&files, watch)
	}
	if err == errUntil {
		return nil
	}
	return err
}

// readAll reads the files to their present ends.
func (r *reader) readAll(files []*os.File) error {
	for i, f := range files {
		if err := r.readOn(f); err != nil {
			return err
		}
		if i < len(files)-1 {
			r.rest = r.rest[:0] // a torn record at the end of a finished file
		}
	}
	return nil
}

// readOn reads a file from where it is to its present end.
func (r *reader) readOn(f *os.File) error {
	for {
		n, err := f.Read(r.buf)
		if n > 0 {
			if err := r.records(r.buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// maxFileRecord bounds what is kept of a record without end.
const maxFileRecord = 1 << 20

// records hands the whole records of p on and keeps the last one's begin.
func (r *reader) records(p []byte) error {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			if len(r.rest)+len(p) <= maxFileRecord {
				r.rest = append(r.rest, p...)
			}
			return nil
		}
		line := p[:i]
		if len(r.rest) > 0 {
			r.rest = append(r.rest, line...)
			line = r.rest
		}
		err := r.one(line)
		r.rest = r.rest[:0]
		if err != nil {
			return err
		}
		p = p[i+1:]
	}
	return nil
}

func (r *reader) one(line []byte) error {
	e, ok := r.decode(line)
	if !ok || !r.o.Since.IsZero() && e.Time.Before(r.o.Since) {
		return nil
	}
	if !r.o.Until.IsZero() && e.Time.After(r.o.Until) {
		return errUntil
	}
	return r.f(e)
}

// openAll opens the files of a log, oldest first. A rotation on the way makes
// it begin again, so that none is missing or there twice.
func openAll(path string) (files []*os.File, err error) {
	for range 1000 {
		closeAll(files)
		files = nil
		gap := false
		for i := 0; ; i++ {
			f, err := os.Open(numbered(path, i))
			if errors.Is(err, os.ErrNotExist) && i > 0 {
				// The files are renamed one after the other, the oldest first: in the
				// middle of that the one number that is free is not the end.
				_, next := os.Lstat(numbered(path, i+1))
				gap = next == nil
				break
			}
			if errors.Is(err, os.ErrNotExist) {
				continue // between two steps of a rotation, or nothing yet
			}
			if err != nil {
				closeAll(files)
				return nil, err
			}
			files = append([]*os.File{f}, files...)
		}
		if !gap && steady(files) {
			break
		}
	}
	return files, nil
}

// steady reports whether the files still have the names by which they were
// opened.
func steady(files []*os.File) bool {
	for _, f := range files {
		if !isFile(f.Name(), f) {
			return false
		}
	}
	return true
}

func isFile(name string, f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
