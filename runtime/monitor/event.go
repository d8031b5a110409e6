package monitor

import (
	"path/filepath"

	"skiff/state/event"
)

// event is something that happened to the container.
func (m *monitor) event(what string) event.Event {
	return event.Event{
		ID: m.l.ID, Image: m.l.Image, Name: m.l.Name, Status: what, Type: event.Container, Attributes: m.l.EventLabels,
	}
}

// note logs that something happened. What cannot be logged is done without: the
// container comes first, and there is nobody to tell.
func (m *monitor) note(what string) { m.logEvents(m.event(what)) }

func (m *monitor) logEvents(events ...event.Event) {
	if m.l.Events.Path != "" {
		_ = m.l.Events.Append(events...)
	}
}

// noteStarted logs a start with all that belongs to it, in one write.
func (m *monitor) noteStarted() {
	if m.l.Events.Path == "" {
		return
	}
	var list []event.Event
	if m.status.RestartCount > 0 {
		list = append(list, m.event(event.Restart))
	}
	if !m.l.Hold || m.status.RestartCount > 0 {
		list = append(list, m.event(event.Init))
	}
	if m.l.Attach != nil && m.status.RestartCount == 0 {
		list = append(list, m.event(event.Attach))
	}
	start := m.event(event.Start)
	for i := range m.status.Network.Endpoints {
		start.Networks = append(start.Networks, m.status.Network.Endpoints[i].Network)
	}
	m.logEvents(append(list, start)...)
}

// noteDied logs the end of a run, while the status still says which it was.
func (m *monitor) noteDied() {
	if m.l.Events.Path == "" {
		return
	}
	var list []event.Event
	if m.status.OOMKilled {
		list = append(list, m.event(event.OOM))
	}
	died, code, killed := m.event(event.Died), m.status.ExitCode, m.status.OOMKilled
	died.ContainerExitCode, died.OOMKilled = &code, &killed
	for i := range m.status.Network.Endpoints {
		died.Networks = append(died.Networks, m.status.Network.Endpoints[i].Network)
	}
	m.logEvents(append(list, died)...)
}

// noteRemoved logs the removal of the container, and of its volumes.
func (m *monitor) noteRemoved() {
	if m.l.Events.Path == "" {
		return
	}
	list := []event.Event{m.event(event.Remove)}
	for _, dir := range m.l.Volumes {
		list = append(list, event.Event{Name: filepath.Base(dir), Status: event.Remove, Type: event.Volume})
	}
	m.logEvents(list...)
}

// noteExecDied logs the end of a program that nobody waits for.
func (m *monitor) noteExecDied(code int) {
	died := m.event(event.ExecDied)
	died.ContainerExitCode = &code
	m.logEvents(died)
}
