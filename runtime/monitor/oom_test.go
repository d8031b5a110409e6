package monitor

import (
	"os"
	"path/filepath"
	"testing"
)

// systemd removes the cgroup before the monitor can read what was counted last.
func TestOOMKillsOfRemovedCgroups(t *testing.T) {
	const own, parent, look, gone = "own", "parent", "look", "gone"
	for name, tt := range map[string]struct {
		steps  []string
		killed bool
		want   bool
	}{
		"killed":               {[]string{own, gone, parent}, true, true},
		"killed and seen":      {[]string{own, look, gone, parent}, true, true},
		"a child was killed":   {[]string{own, look, gone, parent}, false, true},
		"somebody else's":      {[]string{parent, gone}, true, false},
		"at its limit":         {[]string{own, gone}, true, false},
		"a child, at once":     {[]string{own, gone, parent}, false, true},
		"somebody's before it": {[]string{parent, own, look, gone}, true, false},
		"still there":          {[]string{own, parent}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			scope := filepath.Join(dir, "scope")
			files := map[string]string{own: filepath.Join(scope, "memory.events"), parent: filepath.Join(dir, "memory.events")}
			os.Mkdir(scope, 0o700)
			for _, f := range files {
				os.WriteFile(f, []byte("max 0\noom_kill 2\n"), 0o600)
			}
			m := &monitor{}
			var err error
			if m.loop, err = newLoop(); err != nil {
				t.Fatal(err)
			}
			m.watchOOM([]string{files[own]})
			for _, step := range tt.steps {
				switch step {
				case own:
					err = os.WriteFile(files[own], []byte("max 1\noom_kill 2\n"), 0o600)
				case parent:
					err = os.WriteFile(files[parent], []byte("max 1\noom_kill 3\n"), 0o600)
				case look:
					m.oom.look()
				case gone:
					err = os.RemoveAll(scope)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if got := m.oomKilled(tt.killed); got != tt.want {
				t.Errorf("OOM killed: %v, want %v", got, tt.want)
			}
		})
	}
}
