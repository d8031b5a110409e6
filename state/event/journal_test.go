package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"
)

// fieldsOf takes a record of the journal's native protocol apart.
func fieldsOf(t *testing.T, record []byte) map[string]string {
	t.Helper()
	got := map[string]string{}
	for len(record) > 0 {
		name, rest, ok := bytes.Cut(record, []byte("\n"))
		if !ok || len(rest) < 9 {
			t.Fatalf("record %q", record)
		}
		n := int(binary.LittleEndian.Uint64(rest))
		got[string(name)] = string(rest[8 : 8+n])
		record = rest[8+n+1:]
	}
	return got
}

func TestJournalRecord(t *testing.T) {
	code := 3
	ev := Event{
		ID: "4f", Name: "web\nPRIORITY=0", Image: "busybox", Type: Container, Status: Died, ContainerExitCode: &code,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Attributes: map[string]string{"a": "b\nc"},
	}
	line, err := json.Marshal(&ev)
	if err != nil {
		t.Fatal(err)
	}
	got := fieldsOf(t, Log{Path: "/data/events.log", Journal: true}.record(&ev, line))
	want := map[string]string{
		"MESSAGE": "container died 4f web\nPRIORITY=0 (image=busybox)", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "skiff",
		"SKIFF_EVENT_LOG": "/data/events.log", "SKIFF_EVENT": string(line), "PODMAN_EVENT": "died", "PODMAN_TYPE": "container",
		"PODMAN_TIME": "2026-01-02T03:04:05.000006Z", "PODMAN_NAME": "web\nPRIORITY=0", "PODMAN_ID": "4f",
		"PODMAN_IMAGE": "busybox", "PODMAN_EXIT_CODE": "3",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d fields in %q, want %d", len(got), got, len(want))
	}
}
