package libpod

import (
	"maps"
	"testing"

	"skiff/state"
)

func TestJournalFieldsAreTheUsersChoice(t *testing.T) {
	cfg := &state.Config{
		Labels:  map[string]string{"role": "db", "com.x.a": "1", "com.x.b": "2", "PRIORITY": "0"},
		Process: state.Process{Env: []string{"A=1", "B=2=3", "LC_X=4"}},
		Log:     state.LogConfig{Driver: state.LogJournald},
	}
	for _, c := range []struct {
		name    string
		options map[string]string
		want    map[string]string
	}{
		{"nothing chosen", nil, nil},
		{"names", map[string]string{"labels": "role,none", "env": "B"}, map[string]string{"role": "db", "B": "2=3"}},
		{"patterns", map[string]string{"labels-regex": "^com", "env-regex": "^LC_"}, map[string]string{"com.x.a": "1", "com.x.b": "2", "LC_X": "4"}},
		{"a broken pattern", map[string]string{"labels-regex": "("}, nil},
	} {
		cfg.Log.Options = c.options
		if got := journalFields(cfg); !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	cfg.Log = state.LogConfig{Driver: state.LogJSONFile, Options: map[string]string{"labels": "role"}}
	if got := journalFields(cfg); got != nil {
		t.Errorf("in a file: got %v", got)
	}
}
