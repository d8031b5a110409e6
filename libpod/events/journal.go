package events

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"skiff/runtime/logfile"
	"skiff/state/event"
)

// journalSync bounds how long the journal may take to write down what it was
// sent.
const journalSync = 2 * time.Second

// readJournal is Read for events in the system's journal.
func readJournal(ctx context.Context, r *reader) error {
	if !r.opt.Stream {
		syncJournal()
	}
	out, stop, err := logfile.Journalctl(journalArgs(r.log, r.opt, os.Getuid())...)
	if err != nil {
		return err
	}
	defer stop()
	if r.opt.Stream {
		out.SetReadDeadline(r.opt.Until) // the zero time is no deadline
	}
	defer context.AfterFunc(ctx, func() { out.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if herr := r.lines(buf[:n], r.record); herr != nil {
			return herr
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		default:
			return err
		}
	}
}

// journalArgs ask for the events of one log. Only what this user sent counts:
// anybody can write to the journal, but not in another's name.
func journalArgs(log event.Log, opt Options, uid int) []string {
	args := []string{
		"--output=json", "--no-pager", "--quiet", "--all", "SYSLOG_IDENTIFIER=" + event.Identifier,
		event.FieldLog + "=" + log.Path, "_UID=" + strconv.Itoa(uid), "--output-fields=" + event.FieldEvent,
	}
	if !opt.Since.IsZero() { // the reader looks at each event's time, too
		args = append(args, "--since=@"+strconv.FormatInt(opt.Since.Unix(), 10))
	}
	switch {
	case !opt.Stream:
	case opt.Since.IsZero() && opt.Until.IsZero():
		args = append(args, "--follow", "--lines=0")
	default:
		args = append(args, "--follow", "--lines=all")
	}
	return args
}

// syncJournal has the journal write down what is on its way to it. Not everybody
// may ask for that: others may miss what happened just now.
func syncJournal() {
	out, stop, err := logfile.Journalctl("--sync", "--quiet")
	if err != nil {
		return
	}
	defer stop()
	out.SetReadDeadline(time.Now().Add(journalSync))
	io.Copy(io.Discard, out)
}

// record takes one line of journalctl's output.
func (r *reader) record(line []byte) error {
	var rec map[string]json.RawMessage
	var text string
	if json.Unmarshal(line, &rec) != nil || json.Unmarshal(rec[event.FieldEvent], &text) != nil {
		return nil
	}
	return r.line([]byte(text))
}
