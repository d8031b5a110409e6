package events_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skiff/libpod/events"
	"skiff/state/event"
)

func note(t *testing.T, log event.Log, list ...event.Event) {
	t.Helper()
	if err := log.Append(list...); err != nil {
		t.Fatal(err)
	}
}

func named(name string) event.Event {
	return event.Event{Type: event.Volume, Status: event.Create, Name: name}
}

// read gives the names of the events.
func read(t *testing.T, log event.Log, opt events.Options) []string {
	t.Helper()
	var got []string
	if err := events.Read(context.Background(), log, opt, func(ev event.Event) error {
		got = append(got, ev.Name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadBetweenTimesPassesOverDamage(t *testing.T) {
	log := event.Log{Path: filepath.Join(t.TempDir(), "log")}
	if got := read(t, log, events.Options{}); got != nil {
		t.Errorf("without a log there are events: %v", got)
	}
	start := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 5 {
		ev := named(fmt.Sprint(i))
		ev.Time = start.Add(time.Duration(i) * time.Second)
		note(t, log, ev)
		f, err := os.OpenFile(log.Path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("{\"Name\":\"half\n")
		f.Close()
	}
	got := read(t, log, events.Options{Since: start.Add(time.Second), Until: start.Add(3 * time.Second)})
	if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A follower sees each event once, in order, over rotations.
func TestFollowOverRotations(t *testing.T) {
	log := event.Log{Path: filepath.Join(t.TempDir(), "log"), MaxSize: 4 << 10}
	note(t, log, named("before"))
	done := errors.New("done")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var got []string
	ready, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- events.Read(ctx, log, events.Options{Stream: true, Since: time.Unix(1, 0)}, func(ev event.Event) error {
			switch {
			case ev.Name == "before":
				close(ready)
			case ev.Name == "last":
				return done
			case ev.Type == event.Volume:
				got = append(got, ev.Name)
			}
			return nil
		})
	}()
	<-ready
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprint(i))
		note(t, log, named(fmt.Sprint(i)))
		if i%10 == 0 {
			time.Sleep(time.Millisecond) // let the reader be somewhere else each time
		}
	}
	note(t, log, named("last"))
	if err := <-ended; !errors.Is(err, done) {
		t.Fatalf("the follower ended with %v", err)
	}
	for i := 1; i < len(got); i++ {
		if slices.Contains(got[:i], got[i]) {
			t.Fatalf("event %s came twice", got[i])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d events, want %d: %v", len(got), len(want), got)
	}
}

func TestStreamEndsAtUntil(t *testing.T) {
	log := event.Log{Path: filepath.Join(t.TempDir(), "log")}
	until := time.Now().Add(200 * time.Millisecond)
	if got := read(t, log, events.Options{Stream: true, Until: until}); got != nil {
		t.Errorf("got %v", got)
	}
	if time.Now().Before(until) {
		t.Error("it ended early")
	}
}

func TestFilters(t *testing.T) {
	id := strings.Repeat("ab", 32)
	start := event.Event{ID: id, Image: "docker.io/library/httpd:2", Name: "web", Status: event.Start, Type: event.Container, Attributes: map[string]string{"app": "x"}}
	gone := event.Event{ID: id, Name: "docker.io/library/httpd:2", Status: event.Remove, Type: event.Image}
	sick := event.Event{ID: id, Name: "web", Status: event.HealthStatus, HealthStatus: "unhealthy", Type: event.Container}
	join := event.Event{ID: id, Network: "net1", Status: event.Connect, Type: event.Network}
	vol := event.Event{Name: "data-1", Status: event.Remove, Type: event.Volume}
	for _, c := range []struct {
		key, value string
		ev         event.Event
		want       bool
	}{
		{"container", "web", start, true}, {"container", "/web", start, true}, {"container", id[:12], start, true},
		{"container", "we", start, false}, {"container", "web", gone, false},
		{"image", "httpd", start, true}, {"image", "httpd:2", gone, true}, {"image", "httpd:3", gone, false}, {"image", id[:6], gone, true},
		{"event", "start", start, true}, {"event", "die", start, false}, {"event", "delete", gone, true}, {"event", "destroy", vol, true},
		{"event", "health_status", sick, true}, {"event", "health_status: unhealthy", sick, true}, {"event", "health_status: healthy", sick, false},
		{"type", "container", start, true}, {"type", "image", start, false},
		{"label", "app", start, true}, {"label", "app=x", start, true}, {"label", "app=y", start, false}, {"label", "web", start, false},
		{"network", "net1", join, true}, {"network", id[:4], join, false},
		{"volume", "data", vol, true}, {"volume", "ata", vol, false},
	} {
		match, ok := events.Predicate(c.key, c.value)
		if !ok || match(&c.ev) != c.want {
			t.Errorf("%s=%s on %s %s: got %t, want %t", c.key, c.value, c.ev.Type, c.ev.Status, !c.want, c.want)
		}
	}
	if _, ok := events.Predicate("nosuch", "x"); ok {
		t.Error("a filter that does not exist was taken")
	}
}

func TestDockersWords(t *testing.T) {
	code := 3
	died := event.Event{ID: "1", Image: "img", Name: "web", Status: event.Died, Type: event.Container, ContainerExitCode: &code, Networks: []string{"n1", "n2"}}
	var got []string
	for _, ev := range events.Expand(died) {
		for _, m := range events.Messages(ev, strings.ToUpper) {
			got = append(got, fmt.Sprint(m.Type, " ", m.Action, " ", m.Actor.ID, " ", m.Actor.Attributes))
		}
	}
	want := []string{
		"container die 1 map[exitCode:3 image:IMG name:web]",
		"network disconnect n1 map[container:1 name:n1 type:bridge]",
		"network disconnect n2 map[container:1 name:n2 type:bridge]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := events.Expand(event.Event{Status: event.Init, Type: event.Container}); len(list) > 0 {
		t.Errorf("Docker has no event init, got %v", list)
	}
	exec := events.Messages(event.Event{Status: event.Exec, Type: event.Container, Attributes: map[string]string{"execCommand": "ls -l"}}, strings.ToUpper)
	if len(exec) != 2 || exec[0].Action != "exec_create: ls -l" || exec[1].Action != "exec_start: ls -l" {
		t.Errorf("an exec is %v", exec)
	}
}
