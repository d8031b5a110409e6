package events

import (
	"slices"
	"strings"

	"skiff/state/event"
)

// Predicate makes a test of one filter, by the names that Docker and Podman have
// for it. ok is false for a filter that nobody knows.
func Predicate(key, value string) (match func(*event.Event) bool, ok bool) {
	switch key {
	case "container", "image", "network", "volume", "secret":
		return func(ev *event.Event) bool { return concerns(ev, key, value) }, true
	case "event", "status":
		words := statuses(value)
		return func(ev *event.Event) bool {
			return slices.Contains(words, ev.Status) || ev.Status == event.HealthStatus && value == event.HealthStatus+": "+ev.HealthStatus
		}, true
	case "type":
		if value == "daemon" {
			value = event.System
		}
		return func(ev *event.Event) bool { return ev.Type == value }, true
	case "label":
		name, want, exact := strings.Cut(value, "=")
		return func(ev *event.Event) bool {
			got, there := ev.Attributes[name]
			return there && (!exact || got == want)
		}, true
	case "scope", "daemon", "pod", "node", "service", "plugin", "config":
		// What happens, happens here, and not to things that skiff has none of.
		return func(*event.Event) bool { return key == "scope" && value == "local" }, true
	}
	return nil, false
}

// concerns reports whether an event is about the thing of a kind that value
// names: by its name, or by the beginning of its id (of its name, for a volume).
// An image is also concerned by what happens to its containers, as in Docker.
func concerns(ev *event.Event, kind, value string) bool {
	if kind == event.Image && ev.Type == event.Container {
		return sameImage(ev.Image, value)
	}
	if ev.Type != kind {
		return false
	}
	switch kind {
	case event.Volume:
		return strings.HasPrefix(ev.Name, value)
	case event.Network:
		return ev.Network == value || ev.Name == value || (ev.Status == event.Create || ev.Status == event.Remove) && hasID(ev.ID, value)
	case event.Image:
		return sameImage(ev.Name, value) || hasID(ev.ID, strings.TrimPrefix(value, "sha256:"))
	}
	return ev.Name == strings.TrimPrefix(value, "/") || hasID(ev.ID, value)
}

func hasID(id, prefix string) bool { return prefix != "" && strings.HasPrefix(id, prefix) }

// sameImage reports whether the user means the image full by ref, perhaps
// without registry and tag.
func sameImage(full, ref string) bool {
	if full == ref || strings.HasSuffix(full, "/"+ref) {
		return true
	}
	i := strings.LastIndexByte(full, ':')
	if i <= strings.LastIndexByte(full, '/') {
		return false
	}
	return full[:i] == ref || strings.HasSuffix(full[:i], "/"+ref)
}

// statuses are what an event filter means: Podman's words, and Docker's, of
// which some stand for several.
func statuses(word string) []string {
	switch word {
	case "die":
		return []string{event.Died}
	case "destroy", "delete":
		return []string{event.Remove}
	case "load":
		return []string{event.Load}
	case "exec_create", "exec_start":
		return []string{event.Exec}
	case "exec_die":
		return []string{event.ExecDied}
	case "archive-path", "extract-to-dir":
		return []string{event.Copy}
	}
	return []string{word}
}
