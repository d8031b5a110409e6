package libpod

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"skiff/libpod/events"
	"skiff/rootfs/imagecall"
	"skiff/state"
	"skiff/state/event"
)

// EventOptions say which events to show.
type EventOptions struct {
	Filters []Filter
	// Since and Until bound the events' times; zero means no bound.
	Since, Until time.Time
	// Stream goes on with new events.
	Stream bool
	// Docker adds what Docker has events of its own for.
	Docker bool
}

// Events gives what happened, and what happens, to give, until ctx ends.
func (e *Engine) Events(ctx context.Context, opt EventOptions, give func(event.Event) error) error {
	if e.Global.Events.Path == "" {
		return state.Errorf(state.ErrInvalid, `cannot read events with the "none" backend`)
	}
	match, err := combine(opt.Filters, func(f Filter) (predicate[*event.Event], error) {
		p, ok := events.Predicate(f.Key, f.Value)
		if !ok {
			return nil, unknownFilter(f)
		}
		return p, nil
	})
	if err != nil {
		return err
	}
	return events.Read(ctx, e.Global.Events, events.Options{
		Since: opt.Since, Until: opt.Until, Stream: opt.Stream, Expand: opt.Docker, Match: match,
	}, give)
}

// eventLogger is how events are kept, for info.
func (e *Engine) eventLogger() string {
	switch {
	case e.Global.Events.Path == "":
		return "none"
	case e.Global.Events.Journal:
		return "journald"
	}
	return "file"
}

// note logs that something happened. What cannot be logged has happened all the
// same.
func (e *Engine) note(ev event.Event) {
	e.warnOf(e.Global.Events.Append(ev))
}

// noteContainer logs what happened to a container; pairs are names and values
// that are said in addition to its labels.
func (e *Engine) noteContainer(cfg *state.Config, what string, pairs ...string) {
	if e.Global.Events.Path != "" {
		e.note(containerEvent(cfg, what, pairs...))
	}
}

func containerEvent(cfg *state.Config, what string, pairs ...string) event.Event {
	ev := event.Event{ID: cfg.ID, Image: cfg.Image.Name, Name: cfg.Name, Status: what, Type: event.Container, Attributes: cfg.Labels}
	if len(pairs) > 1 {
		ev.Attributes = maps.Clone(cfg.Labels)
		if ev.Attributes == nil {
			ev.Attributes = map[string]string{}
		}
	}
	for i := 1; i < len(pairs); i += 2 {
		if pairs[i] != "" {
			ev.Attributes[pairs[i-1]] = pairs[i]
		}
	}
	return ev
}

// noteID is noteContainer for a container of which only the id is known.
func (e *Engine) noteID(id, what string, pairs ...string) {
	if e.Global.Events.Path == "" {
		return
	}
	if cfg, err := e.Store.Load(id); err == nil {
		e.note(containerEvent(cfg, what, pairs...))
	}
}

// noteCreated logs a new container.
func (e *Engine) noteCreated(cfg *state.Config) {
	if e.Global.Events.Path == "" {
		return
	}
	ev := containerEvent(cfg, event.Create)
	if e.Global.InspectCreated {
		if c, err := e.ContainerInspect(cfg.ID, true); err == nil {
			data, _ := json.Marshal(c.Podman())
			ev.ContainerInspectData = string(data)
		}
	}
	e.note(ev)
}

// noteDied logs the end of a container whose monitor could not.
func (e *Engine) noteDied(cfg *state.Config, st state.Status) {
	if e.Global.Events.Path == "" {
		return
	}
	ev := containerEvent(cfg, event.Died)
	ev.ContainerExitCode, ev.OOMKilled, ev.Time = &st.ExitCode, &st.OOMKilled, st.FinishedAt
	e.note(ev)
}

// noteExec logs that a program begins in a container; what it gives is told the
// end, which of a detached one the monitor logs.
func (e *Engine) noteExec(id string, req ExecRequest) (ended func(code int, err error)) {
	ended = func(int, error) {}
	if e.Global.Events.Path == "" {
		return ended
	}
	cfg, err := e.Store.Load(id)
	if err != nil {
		return ended
	}
	e.note(containerEvent(cfg, event.Exec, "execCommand", strings.Join(req.Args, " ")))
	return func(code int, err error) {
		if req.Detach && err == nil {
			return
		}
		ev := containerEvent(cfg, event.ExecDied)
		ev.ContainerExitCode = &code
		e.note(ev)
	}
}

// noteNetwork logs what happened to a network.
func (e *Engine) noteNetwork(r state.NetworkRecord, what string) {
	e.note(event.Event{
		ID: r.ID, Network: r.Name, Status: what, Type: event.Network, Attributes: map[string]string{"driver": r.Driver},
	})
}

// notePruned logs a prune of things of a kind that freed so many bytes.
func (e *Engine) notePruned(kind, freed string) {
	e.note(event.Event{Type: kind, Status: event.Prune, Attributes: map[string]string{"reclaimed": freed}})
}

// noteImages looks at what an operation of the image tool is about before it
// does it, and gives what logs its result.
func (e *Engine) noteImages(req imagecall.Request) func(imagecall.Result) {
	if e.Global.Events.Path == "" {
		return func(imagecall.Result) {}
	}
	var given event.Event
	owners := map[string]string{} // ids by name
	switch req.Op {
	case imagecall.OpTag, imagecall.OpPush, imagecall.OpSave:
		if len(req.Images) > 0 {
			if img, _, err := e.Images.Lookup(req.Images[0]); err == nil {
				given.ID = img.ID
			}
		}
	case imagecall.OpUntag, imagecall.OpRemove:
		all, _ := e.Images.List()
		for _, img := range all {
			for _, name := range img.Names {
				owners[name] = img.ID
			}
		}
	case imagecall.OpPull, imagecall.OpLoad, imagecall.OpImport:
	default:
		return func(imagecall.Result) {}
	}
	return func(res imagecall.Result) {
		list := imageEvents(req, res, given.ID)
		if len(owners) > 0 {
			list = append(list, e.unnamed(req, res, owners)...)
		}
		for i := range list {
			list[i].Type = event.Image
		}
		e.warnOf(e.Global.Events.Append(list...))
	}
}

// imageEvents are the events of what came to the store, left it or got a name.
func imageEvents(req imagecall.Request, res imagecall.Result, id string) []event.Event {
	var list []event.Event
	failed := map[string]string{}
	for _, f := range res.Failures {
		failed[f.Image] = f.Message
	}
	switch req.Op {
	case imagecall.OpPull:
		for i, name := range req.Images {
			if why, ok := failed[name]; ok {
				list = append(list, event.Event{Status: event.PullError, Name: name, Error: why})
			} else if len(res.Images) == len(req.Images) {
				list = append(list, event.Event{Status: event.Pull, ID: res.Images[i].ID, Name: name})
			}
		}
		if len(list) == 0 && len(res.Failures) > 0 && len(req.Images) == 1 {
			list = append(list, event.Event{Status: event.PullError, Name: req.Images[0], Error: res.Failures[0].Message})
		}
	case imagecall.OpLoad, imagecall.OpImport:
		what := event.Load
		if req.Op == imagecall.OpImport {
			what = event.Import
		}
		for _, img := range res.Images {
			list = append(list, event.Event{Status: what, ID: img.ID, Name: req.Input})
		}
	case imagecall.OpTag:
		for _, name := range req.Images[min(1, len(req.Images)):] {
			if len(res.Failures) == 0 {
				list = append(list, event.Event{Status: event.Tag, ID: id, Name: name})
			}
		}
	case imagecall.OpPush:
		if len(res.Failures) == 0 && len(req.Images) > 0 {
			list = append(list, event.Event{Status: event.Push, ID: id, Name: req.Images[len(req.Images)-1]})
		}
	case imagecall.OpSave:
		if len(res.Failures) == 0 {
			list = append(list, event.Event{Status: event.Save, ID: id, Name: req.Output})
		}
	}
	return list
}

// unnamed are the events of names and images that went away. owners are the ids
// of the images by name, as they were.
func (e *Engine) unnamed(req imagecall.Request, res imagecall.Result, owners map[string]string) []event.Event {
	var list []event.Event
	if req.Op == imagecall.OpUntag {
		all, err := e.Images.List()
		if err != nil {
			return nil
		}
		for _, img := range all {
			for _, name := range img.Names {
				delete(owners, name)
			}
		}
		for name, id := range owners {
			list = append(list, event.Event{Status: event.Untag, ID: id, Name: name})
		}
		return list
	}
	for _, r := range res.Removed {
		if r.Untagged != "" {
			list = append(list, event.Event{Status: event.Untag, ID: owners[r.Untagged], Name: r.Untagged})
		}
		if id := strings.TrimPrefix(r.Deleted, "sha256:"); state.IsID(id) {
			list = append(list, event.Event{Status: event.Remove, ID: id, Name: id})
		}
	}
	return list
}
