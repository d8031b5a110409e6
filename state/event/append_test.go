package event_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"skiff/state/event"
)

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestAppendMakesThePrivateFileOnDemand(t *testing.T) {
	log := event.Log{Path: filepath.Join(t.TempDir(), "events", "events.log")}
	if err := log.Append(event.Event{Type: event.Volume, Status: event.Create, Name: "v"}); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(log.Path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the log has mode %v (%v), want 0600", st.Mode(), err)
	}
	if got := lines(t, log.Path)[0]; !strings.HasPrefix(got, `{"Name":"v","Status":"create","Time":"`) || !strings.HasSuffix(got, `,"Type":"volume","Attributes":null}`) {
		t.Errorf("got %s, want a line as Podman writes it", got)
	}
}

func TestAppendWithoutPathKeepsNothing(t *testing.T) {
	if err := (event.Log{}).Append(event.Event{Type: event.Volume, Status: event.Create}); err != nil {
		t.Error(err)
	}
}

func TestAppendFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := event.Log{Path: filepath.Join(dir, "events.log")}
	if err := os.Symlink(target, log.Path); err != nil {
		t.Fatal(err)
	}
	if log.Append(event.Event{Type: event.Volume, Status: event.Create}) == nil {
		t.Error("an event went through a symbolic link")
	}
}

// Many writers at a log that is rotated again and again: it stays bounded, no
// line is broken, and the last events are all there.
func TestRotationWithManyWriters(t *testing.T) {
	log := event.Log{Path: filepath.Join(t.TempDir(), "events.log"), MaxSize: 64 << 10}
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				ev := event.Event{Type: event.Container, Status: event.Start, ID: fmt.Sprintf("%d-%d", w, i), Name: strings.Repeat("n", 200)}
				if err := log.Append(ev); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	st, err := os.Stat(log.Path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > 2*log.MaxSize {
		t.Errorf("the log has %d bytes, want about %d at most", st.Size(), log.MaxSize)
	}
	data, _ := os.ReadFile(log.Path)
	if n := bytes.Count(data, []byte(`"begin"`)); n != 1 {
		t.Errorf("the log has %d marks of a rotation's begin, want 1", n)
	}
	for _, line := range lines(t, log.Path) {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
			t.Errorf("broken line %q", line)
		}
	}
	if left, _ := filepath.Glob(log.Path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
