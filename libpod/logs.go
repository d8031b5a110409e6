package libpod

import (
	"context"
	"fmt"
	"io"
	"time"

	"skiff/runtime/logfile"
	"skiff/state"
)

// logTime is how times stand before lines: all of one width, for scripts that cut.
const logTime = "2006-01-02T15:04:05.000000000Z07:00"

// LogOptions say which part of a container's log to show and how.
type LogOptions struct {
	Follow bool
	// Tail is how many of the last lines to show; below 0 all.
	Tail         int
	Since, Until time.Time
	Timestamps   bool
	// Details puts the labels and variables before each line that the container
	// was made to log, see logDetails.
	Details bool
	// DetailsGap puts a space where they would be if there are none, as Docker does.
	DetailsGap bool
	// Prefix is put before each line; used where several logs are shown together.
	Prefix         string
	Stdout, Stderr io.Writer
}

// Logs writes a container's log to the options' writers, each line to that of
// its stream.
func (e *Engine) Logs(ctx context.Context, ref string, opt LogOptions) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return err
	}
	if d := cfg.Log.Driver; d == state.LogNone || d == state.LogPassthrough {
		return fmt.Errorf("cannot read the log of container %s: its log driver %q keeps none", cfg.Name, d)
	}
	running := func() bool {
		live, err := e.Store.Status(id)
		return err == nil && live.Phase.Active()
	}
	read := logfile.ReadOptions{
		Follow:  opt.Follow,
		Tail:    opt.Tail,
		Since:   opt.Since,
		Until:   opt.Until,
		ID:      cfg.ID,
		Running: running,
	}
	details := ""
	if opt.Details {
		if details = logDetails(cfg); details != "" || opt.DetailsGap {
			details += " "
		}
	}
	begins := map[logfile.Stream]bool{logfile.Stdout: true, logfile.Stderr: true}
	return logfile.Read(cfg.Log, read, func(entry logfile.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := opt.Stdout
		if entry.Stream == logfile.Stderr {
			w = opt.Stderr
		}
		var head string
		if begins[entry.Stream] {
			head = opt.Prefix
			if opt.Timestamps {
				head += entry.Time.Format(logTime) + " "
			}
			head += details
		}
		begins[entry.Stream] = !entry.Partial
		_, err := w.Write(append([]byte(head), entry.Text...))
		return err
	})
}
