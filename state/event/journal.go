package event

import (
	"strconv"

	"skiff/state/journal"
)

// Fields of events in the journal. Those that describe an event are Podman's
// names, so that a query for them finds the events of both; FieldLog and FieldEvent
// are skiff's own and hold all there is.
const (
	// Identifier is the SYSLOG_IDENTIFIER of events.
	Identifier = "skiff"
	// FieldLog is the path of the log that the event would else be in: it tells
	// data roots apart.
	FieldLog = "SKIFF_EVENT_LOG"
	// FieldEvent is the line of the log file.
	FieldEvent = "SKIFF_EVENT"
)

// send sends one event to the journal, line being its line in a file.
func (l Log) send(ev *Event, line []byte) error {
	conn, err := journal.Dial(journal.Socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Send(l.record(ev, line))
}

func (l Log) record(ev *Event, line []byte) []byte {
	priority := "6" // info
	if ev.HealthStatus != "" {
		priority = "5" // notice
	}
	var out []byte
	for _, f := range [][2]string{
		{"MESSAGE", ev.message()}, {"PRIORITY", priority}, {"SYSLOG_IDENTIFIER", Identifier},
		{FieldLog, l.Path}, {FieldEvent, string(line)},
		{"PODMAN_EVENT", ev.Status}, {"PODMAN_TYPE", ev.Type}, {"PODMAN_TIME", ev.Time.Format("2006-01-02T15:04:05.999999999Z07:00")},
		{"PODMAN_NAME", ev.Name}, {"PODMAN_ID", ev.ID}, {"PODMAN_IMAGE", ev.Image}, {"PODMAN_NETWORK_NAME", ev.Network},
		{"PODMAN_EXIT_CODE", exitCode(ev)}, {"PODMAN_HEALTH_STATUS", ev.HealthStatus}, {"ERROR", ev.Error},
	} {
		if f[1] != "" {
			out = journal.AppendField(out, f[0], []byte(f[1]))
		}
	}
	return out
}

func exitCode(ev *Event) string {
	if ev.ContainerExitCode == nil {
		return ""
	}
	return strconv.Itoa(*ev.ContainerExitCode)
}

// message is what those see who read the journal.
func (ev *Event) message() string {
	text := ev.Type + " " + ev.Status
	for _, word := range []string{ev.ID, ev.Network, ev.Name, ev.Error} {
		if word != "" {
			text += " " + word
		}
	}
	if ev.Image != "" {
		text += " (image=" + ev.Image + ")"
	}
	return text
}
