package events

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"skiff/state/event"
)

func TestJournalArgs(t *testing.T) {
	log := event.Log{Path: "/data/events.log", Journal: true}
	for _, tt := range []struct {
		name string
		opt  Options
		want string
	}{
		{"all there is", Options{}, ""},
		{"from a time on", Options{Since: time.Unix(1700000000, 5)}, "--since=@1700000000"},
		{"what comes", Options{Stream: true}, "--follow --lines=0"},
		{"what was and comes", Options{Stream: true, Since: time.Unix(17, 0)}, "--since=@17 --follow --lines=all"},
		{"until a time", Options{Stream: true, Until: time.Unix(17, 0)}, "--follow --lines=all"},
	} {
		got := strings.Join(journalArgs(log, tt.opt, 1000), " ")
		want := strings.TrimSpace("--output=json --no-pager --quiet --all SYSLOG_IDENTIFIER=skiff SKIFF_EVENT_LOG=/data/events.log _UID=1000" +
			" --output-fields=SKIFF_EVENT " + tt.want)
		if got != want {
			t.Errorf("%s: got %s, want %s", tt.name, got, want)
		}
	}
}

// What journalctl prints comes back as the events that were sent, also in pieces.
func TestJournalRecords(t *testing.T) {
	sent := []event.Event{
		{Type: event.Container, Status: event.Start, Name: "web", Time: time.Unix(20, 0).UTC(), Attributes: map[string]string{"k": "é\n\x01"}},
		{Type: event.Volume, Status: event.Create, Name: "v", Time: time.Unix(30, 0).UTC()},
		{Type: event.Volume, Status: event.Remove, Name: "v", Time: time.Unix(40, 0).UTC()},
	}
	var out []byte
	for i := range sent {
		text, _ := json.Marshal(&sent[i])
		line, _ := json.Marshal(map[string]string{"__CURSOR": "c", "_UID": "0", event.FieldEvent: string(text)})
		out = append(append(out, line...), "\n{\"SKIFF_EVENT\":[1,2]}\nno JSON\n"...)
	}
	var got []event.Event
	r := &reader{opt: Options{Since: time.Unix(20, 0), Until: time.Unix(30, 0)}, give: func(ev event.Event) error {
		got = append(got, ev)
		return nil
	}}
	for _, piece := range [][]byte{out[:50], out[50:51], out[51:]} {
		if err := r.lines(piece, r.record); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, sent[:2]) {
		t.Errorf("got %+v, want %+v", got, sent[:2])
	}
}
