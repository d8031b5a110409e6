package libpod

import (
	"errors"
	"os"
	"strings"
	"testing"

	"skiff/state"
	"skiff/state/dirs"
)

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	e := &Engine{Roots: dirs.Roots{Data: dir, Run: dir}}
	id, err := e.SecretCreate("one", []byte("value"), map[string]string{"k": "v"}, false)
	if err != nil || len(id) != secretID {
		t.Fatalf("got %q, %v", id, err)
	}
	if st, err := os.Stat(e.Roots.Secret("one")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the record: %v, %v", st, err)
	}
	for _, ref := range []string{"one", id, id[:8]} {
		if s, err := e.Secret(ref); err != nil || string(s.Data) != "value" || s.Labels["k"] != "v" {
			t.Errorf("%q: got %+v, %v", ref, s, err)
		}
	}
	if _, err := e.SecretCreate("one", []byte("x"), nil, false); !errors.Is(err, state.ErrExists) {
		t.Errorf("again: got %v", err)
	}
	again, err := e.SecretCreate("one", []byte("new"), nil, true)
	if err != nil || again == id {
		t.Errorf("replaced: got %q, %v", again, err)
	}
	for _, c := range []struct{ name, data, text string }{
		{"", "x", "invalid secret name"}, {"../x", "x", "invalid secret name"}, {".x", "x", "invalid secret name"},
		{"a b", "x", "invalid secret name"}, {strings.Repeat("n", 201), "x", "invalid secret name"},
		{"e", "", "empty"}, {"big", strings.Repeat("x", state.MaxSecret+1), "larger"},
	} {
		if _, err := e.SecretCreate(c.name, []byte(c.data), nil, false); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: got %v, want %q", c.name, err, c.text)
		}
	}
	if _, err := e.SecretCreate("two", []byte("2"), map[string]string{"k": "w"}, false); err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string]int{"name=t": 1, "label=k": 1, "label=k=v": 0, "id=" + again: 1} {
		all, err := e.SecretList()
		if err != nil || len(all) != 2 {
			t.Fatalf("got %d, %v", len(all), err)
		}
		f, err := ParseFilters("secret", []string{filter})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := SecretsMatching(all, f); err != nil || len(got) != want {
			t.Errorf("%s: got %d, %v, want %d", filter, len(got), err, want)
		}
	}
	if got, err := e.SecretRemove("one"); err != nil || got != again {
		t.Errorf("removed %q, %v", got, err)
	}
	if _, err := e.SecretRemove("one"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
