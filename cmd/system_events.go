package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/events"
	"skiff/libpod/inspect"
	"skiff/libpod/settings"
	"skiff/state/dirs"
	"skiff/state/event"
	"skiff/state/journal"
)

// defaultEventLog is how large the log of events gets, in bytes. Podman's.
const defaultEventLog = 1_000_000

// eventLog is where events are kept: containers.conf and --events-backend say.
// Where containers.conf, which may be Podman's too, wants a journal and there is
// none, it is the file.
func eventLog(g Globals, set settings.Settings, roots dirs.Roots) (event.Log, error) {
	backend := cmp.Or(g.EventsBackend, set.Engine.EventsLogger, "file")
	inJournal := false
	switch backend {
	case "file":
	case "journald":
		err := journal.Available()
		if err != nil && g.EventsBackend != "" {
			return event.Log{}, usagef("cannot keep events in the journal: %v", err)
		}
		inJournal = err == nil
	case "none":
		return event.Log{}, nil
	default:
		return event.Log{}, usagef("invalid events backend %q: want file, journald or none", backend)
	}
	log := event.Log{Path: roots.Events(), MaxSize: defaultEventLog, Journal: inJournal}
	if path := set.Engine.EventsLogFile; path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return event.Log{}, err
		}
		log.Path = abs
	}
	if n := set.Engine.EventsLogSize; n != 0 {
		log.MaxSize = n
	}
	return log, nil
}

func newEvents(app *App) *cli.Command {
	return &cli.Command{
		Name:  "events",
		Usage: "Show what happens to containers, images, volumes and networks",
		Description: `Prints events as they happen, until it is interrupted. With --since it begins
with those of the past, and with --until it ends.

Examples:
skiff events --filter event=die --format "{{.Name}}"
skiff events --since 10m --stream=false`,
		Flags: []cli.Flag{
			list("Show the events that match, such as event=start or container=web", "filter", "f"),
			text("Print in this `format`: json or a Go template", "format"),
			&cli.BoolFlag{Name: "no-trunc", Value: true, Usage: "Do not shorten ids"},
			text("Begin with events of this time, a date or a duration such as 10m", "since"),
			&cli.BoolFlag{Name: "stream", Value: true, Usage: "Go on with new events"},
			text("End with events of this time, a date or a duration such as 10m", "until"),
		},
		Action: func(c *cli.Context) error { return showEvents(app, c) },
	}
}

func showEvents(app *App, c *cli.Context) error {
	if err := exactly(c, 0); err != nil {
		return err
	}
	opt := libpod.EventOptions{Stream: c.Bool("stream"), Docker: app.Docker}
	var err error
	if opt.Filters, err = libpod.ParseFilters("event", c.StringSlice("filter")); err != nil {
		return err
	}
	if err := eventTimes(c, &opt); err != nil {
		return usage(fmt.Errorf("failed to parse event filters: %w", err))
	}
	show, err := eventPrinter(app, c.String("format"), c.Bool("no-trunc"))
	if err != nil {
		return err
	}
	e, err := app.Engine()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = e.Events(ctx, opt, show)
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// eventTimes reads --since and --until, which may also be filters. A duration is
// before now, as in Docker; one with a minus sign is to come.
func eventTimes(c *cli.Context, opt *libpod.EventOptions) error {
	since, until := c.String("since"), c.String("until")
	kept := opt.Filters[:0]
	for _, f := range opt.Filters {
		switch f.Key {
		case "since":
			since = f.Value
		case "until":
			until = f.Value
		default:
			kept = append(kept, f)
		}
	}
	opt.Filters = kept
	now := time.Now()
	for _, t := range []struct {
		given string
		dst   *time.Time
	}{{since, &opt.Since}, {until, &opt.Until}} {
		if t.given == "" {
			continue
		}
		at, err := libpod.ParseMoment(t.given, now)
		if err != nil {
			return err
		}
		*t.dst = at
	}
	return nil
}

// eventRow is an event as Podman's templates and its JSON have it.
type eventRow struct {
	ContainerExitCode    *int   `json:",omitempty"`
	OOMKilled            *bool  `json:",omitempty"`
	ID                   string `json:",omitempty"`
	Image                string `json:",omitempty"`
	Name                 string `json:",omitempty"`
	Network              string `json:"network,omitempty"`
	Status               string
	Time                 int64 `json:"time,omitempty"`     // seconds since 1970
	TimeNano             int64 `json:"timeNano,omitempty"` // nanoseconds since 1970
	Type                 string
	HealthStatus         string `json:"health_status,omitempty"`
	HealthLog            string `json:",omitempty"`
	HealthFailingStreak  int    `json:",omitempty"`
	Error                string `json:",omitempty"`
	ContainerInspectData string `json:",omitempty"`
	Attributes           map[string]string
}

// PodID is Podman's; containers are in no pod.
func (r eventRow) PodID() string { return "" }

// Action and Actor are Docker's names.
func (r eventRow) Action() string { return r.Status }
func (r eventRow) Actor() events.Actor {
	return events.Actor{ID: r.ID, Attributes: r.Attributes}
}

func newEventRow(ev event.Event) eventRow {
	return eventRow{
		ContainerExitCode: ev.ContainerExitCode, OOMKilled: ev.OOMKilled, ID: ev.ID, Image: ev.Image, Name: ev.Name,
		Network: ev.Network, Status: ev.Status, Time: ev.Time.Unix(), TimeNano: ev.Time.UnixNano(), Type: ev.Type,
		HealthStatus: ev.HealthStatus, HealthLog: ev.HealthLog, HealthFailingStreak: ev.HealthFailingStreak,
		Error: ev.Error, ContainerInspectData: ev.ContainerInspectData, Attributes: ev.Attributes,
	}
}

// eventPrinter makes what prints one event.
func eventPrinter(app *App, want string, noTrunc bool) (func(event.Event) error, error) {
	shown := func(ev event.Event) []any { return []any{newEventRow(ev)} }
	if app.Docker {
		shown = func(ev event.Event) []any {
			var list []any
			for _, m := range events.Messages(ev, func(name string) string { return strings.TrimSuffix(inspect.Familiar(name), ":latest") }) {
				list = append(list, m)
			}
			return list
		}
	}
	one := func(v any) error {
		line := ""
		if m, ok := v.(events.Message); ok {
			line = dockerEvent(m)
		}
		_, err := fmt.Fprintln(app.Out, format.Printable(line))
		return err
	}
	switch {
	case format.IsJSON(want):
		one = func(v any) error { return format.JSON(app.Out, v, "") }
	case want != "":
		t, err := documentTemplate(app, want)
		if err != nil {
			return nil, err
		}
		one = func(v any) error {
			err := t.Document(app.Out, v)
			if app.Docker {
				err = withCode(exitTemplate, err)
			}
			return err
		}
	case !app.Docker:
		return func(ev event.Event) error {
			_, err := fmt.Fprintln(app.Out, format.Printable(podmanEvent(ev, noTrunc)))
			return err
		}, nil
	}
	return func(ev event.Event) error {
		for _, v := range shown(ev) {
			if err := one(v); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func attributes(all map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// dockerEvent is an event on one line as Docker prints it.
func dockerEvent(m events.Message) string {
	line := time.Unix(0, m.TimeNano).Format("2006-01-02T15:04:05.000000000Z07:00") + " " + m.Type + " " + m.Action + " " + m.Actor.ID
	if list := attributes(m.Actor.Attributes); len(list) > 0 {
		line += " (" + strings.Join(list, ", ") + ")"
	}
	return line
}

// podmanEvent is an event on one line as Podman prints it.
func podmanEvent(ev event.Event, noTrunc bool) string {
	id := ev.ID
	if !noTrunc {
		id = format.ShortID(id)
	}
	head := fmt.Sprintf("%s %s %s", ev.Time.Local(), ev.Type, ev.Status)
	switch ev.Type {
	case event.Container:
		if ev.ID == "" { // a prune
			break
		}
		what := []string{"image=" + ev.Image, "name=" + ev.Name}
		if ev.Status == event.HealthStatus {
			what = append(what, "health_status="+ev.HealthStatus, fmt.Sprintf("health_failing_streak=%d", ev.HealthFailingStreak), "health_log="+ev.HealthLog)
		}
		return head + " " + id + " (" + strings.Join(append(what, attributes(ev.Attributes)...), ", ") + ")"
	case event.Network:
		switch ev.Status {
		case event.Create, event.Remove:
			return fmt.Sprintf("%s %s (name=%s, type=%s)", head, ev.ID, ev.Network, ev.Attributes["driver"])
		case event.Connect, event.Disconnect:
			return fmt.Sprintf("%s %s (container=%s, name=%s)", head, id, id, ev.Network)
		}
	case event.Image:
		if ev.Status != event.Prune {
			head += " " + id
		}
	case event.Secret:
		return head + " " + id
	}
	for _, more := range []string{ev.Name, ev.Error} {
		if more != "" {
			head += " " + more
		}
	}
	return head
}
