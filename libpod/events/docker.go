package events

import (
	"maps"
	"strconv"

	"skiff/state/event"
)

// Expand adds the events that Docker has and the log does not: those of the
// networks that a container joins at its start and leaves at its end. It drops
// those that Docker does not have.
func Expand(ev event.Event) []event.Event {
	if ev.Type != event.Container {
		return []event.Event{ev}
	}
	list := make([]event.Event, 0, len(ev.Networks)+1)
	networks := func(what string) {
		for _, name := range ev.Networks {
			list = append(list, event.Event{ID: ev.ID, Network: name, Status: what, Time: ev.Time, Type: event.Network})
		}
	}
	switch ev.Status {
	case event.Init, event.Mount, event.Unmount:
	case event.Start:
		networks(event.Connect)
		list = append(list, ev)
	case event.Died:
		list = append(list, ev)
		networks(event.Disconnect)
	default:
		list = append(list, ev)
	}
	return list
}

// Message is an event as Docker documents it: GET /events of its API.
type Message struct {
	// Status, ID and From repeat others for containers and images.
	Status   string `json:"status,omitempty"`
	ID       string `json:"id,omitempty"`
	From     string `json:"from,omitempty"`
	Type     string
	Action   string
	Actor    Actor
	Scope    string `json:"scope"`
	Time     int64  `json:"time"`     // seconds since 1970
	TimeNano int64  `json:"timeNano"` // nanoseconds since 1970
}

// Actor is what an event is about.
type Actor struct {
	ID         string
	Attributes map[string]string
}

// Messages gives an event in Docker's words. short makes the names of images
// those that people type.
func Messages(ev event.Event, short func(string) string) []Message {
	m := Message{Type: ev.Type, Scope: "local", Time: ev.Time.Unix(), TimeNano: ev.Time.UnixNano()}
	m.Actor = Actor{ID: ev.ID, Attributes: maps.Clone(ev.Attributes)}
	if m.Actor.Attributes == nil {
		m.Actor.Attributes = map[string]string{}
	}
	delete(m.Actor.Attributes, "execCommand")
	set := func(name, value string) {
		if value != "" {
			m.Actor.Attributes[name] = value
		}
	}
	switch ev.Type {
	case event.Container:
		set("image", short(ev.Image))
		set("name", ev.Name)
		m.From = short(ev.Image)
		if ev.ContainerExitCode != nil {
			set("exitCode", strconv.Itoa(*ev.ContainerExitCode))
		}
	case event.Image:
		set("name", short(ev.Name))
		if ev.Status == event.Pull {
			m.Actor.ID = short(ev.Name)
		}
	case event.Network:
		if m.Actor.ID = ev.Network; ev.Status == event.Connect || ev.Status == event.Disconnect {
			set("container", ev.ID)
		} else if ev.ID != "" {
			m.Actor.ID = ev.ID
		}
		set("name", ev.Network)
		delete(m.Actor.Attributes, "driver")
		set("type", "bridge")
	case event.Volume, event.Secret:
		m.Actor.ID = ev.Name
		if ev.Type == event.Volume {
			set("driver", "local")
		}
	case event.System:
		m.Type = "daemon"
		set("name", ev.Name)
	}
	var list []Message
	for _, action := range actions(ev) {
		each := m
		each.Action = action
		if ev.Type == event.Container || ev.Type == event.Image {
			each.Status, each.ID = action, m.Actor.ID
		}
		list = append(list, each)
	}
	return list
}

// actions are Docker's words for what happened.
func actions(ev event.Event) []string {
	switch ev.Status {
	case event.Died:
		return []string{"die"}
	case event.Remove:
		if ev.Type == event.Image {
			return []string{"delete"}
		}
		if ev.Type == event.Secret {
			return []string{"remove"}
		}
		return []string{"destroy"}
	case event.Load:
		return []string{"load"}
	case event.Exec:
		what := ": " + ev.Attributes["execCommand"]
		return []string{"exec_create" + what, "exec_start" + what}
	case event.ExecDied:
		return []string{"exec_die"}
	case event.Copy:
		if ev.Attributes["direction"] == "in" {
			return []string{"extract-to-dir"}
		}
		return []string{"archive-path"}
	case event.HealthStatus:
		return []string{ev.Status + ": " + ev.HealthStatus}
	}
	return []string{ev.Status}
}
