// Package events reads the log of what happened (state/event): from a time, up
// to a time, as it grows, by filters, in Podman's words and in Docker's.
//
// Not here: who writes to it (libpod's verbs and the monitor), and how events
// are printed (cmd).
package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"skiff/state/event"
)

// Options say which events to read.
type Options struct {
	// Since and Until bound the events' times; zero means no bound.
	Since, Until time.Time
	// Stream goes on with new events, until Until if that is set. Without Since
	// and Until it begins with new ones.
	Stream bool
	// Expand adds what Docker has events of its own for, see Expand.
	Expand bool
	// Match chooses; nil takes all.
	Match func(*event.Event) bool
}

// reader is one reading of a log.
type reader struct {
	log  event.Log
	opt  Options
	give func(event.Event) error
	file *os.File
	rest []byte // a line of which the end is not there yet
	// skipping is set in a file that took another's place: what is before the
	// mark was in that one.
	skipping bool
	// recent are the last lines that were read, and known those of them that a
	// file in its place may have again, after the mark.
	recent [][]byte
	known  [][]byte
}

// recentLines is how many lines can be on their way while a log is rotated.
const recentLines = 64

// Read gives the events to give, in the order in which they were written, until
// ctx ends or give returns an error.
func Read(ctx context.Context, log event.Log, opt Options, give func(event.Event) error) error {
	r := &reader{log: log, opt: opt, give: give}
	defer func() { r.close() }()
	if log.Journal {
		return readJournal(ctx, r)
	}
	w, err := newWatcher(log.Path)
	if err != nil && opt.Stream {
		return err
	}
	defer w.close()
	if err := r.open(opt.Stream && opt.Since.IsZero() && opt.Until.IsZero()); err != nil {
		return err
	}
	for {
		late := !opt.Until.IsZero() && !time.Now().Before(opt.Until)
		if err := r.turn(); err != nil {
			return err
		}
		if !opt.Stream || late || ctx.Err() != nil {
			return nil
		}
		w.wait(ctx, opt.Until)
	}
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// open opens the log, if it is there; fresh leaves out what is in it.
func (r *reader) open(fresh bool) error {
	f, err := os.Open(r.log.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fresh {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			f.Close()
			return err
		}
	}
	r.file = f
	return nil
}

// turn reads what is there now, also where the log was rotated meanwhile.
func (r *reader) turn() error {
	if r.file == nil {
		if err := r.open(false); err != nil || r.file == nil {
			return err
		}
	}
	for {
		present, err := os.Stat(r.log.Path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		mine, serr := r.file.Stat()
		if serr != nil {
			return serr
		}
		if err := r.readOn(); err != nil {
			return err
		}
		if err == nil && os.SameFile(present, mine) {
			return nil
		}
		r.close()
		r.file, r.rest = nil, nil
		r.skipping, r.known = true, r.recent
		if err := r.open(false); err != nil || r.file == nil {
			r.skipping = false
			return err
		}
	}
}

// readOn reads the file to its end.
func (r *reader) readOn() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.file.Read(buf)
		if err := r.lines(buf[:n], r.line); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lines gives the whole lines to take and keeps the begin of the next one.
func (r *reader) lines(p []byte, take func([]byte) error) error {
	r.rest = append(r.rest, p...)
	for {
		line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			return nil
		}
		r.rest = rest
		if err := take(line); err != nil {
			return err
		}
	}
}

// line takes one line. What is no event, such as one of which a full disk took
// the end, is passed over.
func (r *reader) line(line []byte) error {
	for _, k := range r.known {
		if !r.skipping && bytes.Equal(k, line) {
			return nil
		}
	}
	var ev event.Event
	if json.Unmarshal(line, &ev) != nil || ev.Type == "" || ev.Status == "" {
		return nil
	}
	if r.skipping {
		r.skipping = ev.Status != event.Rotate || ev.Attributes[event.AttributeRotate] != event.AttributeRotateEnd
		if r.skipping {
			return nil
		}
	}
	if r.recent = append(r.recent, bytes.Clone(line)); len(r.recent) > 2*recentLines {
		r.recent = append([][]byte(nil), r.recent[recentLines:]...)
	}
	list := []event.Event{ev}
	if r.opt.Expand {
		list = Expand(ev)
	}
	for i := range list {
		if !r.wanted(&list[i]) {
			continue
		}
		if err := r.give(list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) wanted(ev *event.Event) bool {
	switch {
	case !r.opt.Since.IsZero() && ev.Time.Before(r.opt.Since), !r.opt.Until.IsZero() && ev.Time.After(r.opt.Until):
		return false
	}
	return r.opt.Match == nil || r.opt.Match(ev)
}
