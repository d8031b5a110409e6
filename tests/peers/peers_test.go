package peers

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/differences.md, and take away notes on what was waited for and has come")

// pairs is how many scenarios run at once, each with a Docker and a skiff of its own.
const pairs = 2

// enough is how many command lines are compared at least.
const enough = 150

// TestPeers runs every scenario through both engines.
func TestPeers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	all := loadScenarios(t)
	keys := loadKeys(t)
	seen := map[string]bool{}
	var gone []note
	ran := 0
	var sum sync.Mutex // of the three
	todo := make(chan scenario)
	var wg sync.WaitGroup
	for range pairs {
		docker, skiff := newDocker(t), newSkiff(t)
		loadImages(t, docker, skiff)
		wg.Go(func() {
			for s := range todo {
				t.Run(strings.ReplaceAll(s.title, "/", "_"), func(t *testing.T) {
					mine := map[string]bool{}
					settled := s.run(t, docker, skiff, keys, mine)
					sum.Lock()
					defer sum.Unlock()
					ran++
					gone = append(gone, settled...)
					maps.Copy(seen, mine)
				})
			}
		})
	}
	for _, s := range all {
		todo <- s
	}
	close(todo)
	wg.Wait()
	if err := settle(gone); err != nil {
		t.Error(err)
	}
	if ran < len(all) {
		return // some were chosen
	}
	for _, key := range sorted(keys) {
		if !seen[key] {
			t.Errorf("keys.txt: %s no longer differs", key)
		}
	}
}

func (s scenario) run(t *testing.T, docker, skiff *engine, keys map[string]known, seen map[string]bool) (gone []note) {
	for _, l := range s.lines {
		d, k := both(docker, skiff, l.text)
		if l.silent {
			continue
		}
		found := map[string]bool{}
		for _, diff := range compare(d, k) {
			if diff = diff.without(keys, seen); diff.paths == nil && strings.HasPrefix(diff.text, "documents:") {
				continue
			}
			found[diff.aspect] = true
			if _, ok := l.known[diff.aspect]; !ok {
				t.Errorf("%s\n%s\nstderr of docker %q\nstderr of skiff  %q", l.text, diff.text, d.stderr, k.stderr)
			}
		}
		for _, aspect := range sorted(l.known) {
			if *update && l.known[aspect].pending && !found[aspect] {
				gone = append(gone, note{s.file, s.title, l.text, aspect})
				continue
			}
			if !found[aspect] {
				t.Errorf("%s: %s no longer differs (%s)", l.text, aspect, l.known[aspect].reason)
			}
		}
	}
	d, k := both(docker, skiff, tidy)
	if last(d.stdout) != last(k.stdout) {
		t.Errorf("images after the scenario: docker %q, skiff %q\n%s", last(d.stdout), last(k.stdout), k.stderr)
	}
	return gone
}

func last(text string) string { return text[strings.LastIndex(text, "\n")+1:] }

// both runs a line through both engines at the same time.
func both(docker, skiff *engine, text string) (d, k result) {
	var wg sync.WaitGroup
	wg.Go(func() { d = docker.run(text) })
	wg.Go(func() { k = skiff.run(text) })
	wg.Wait()
	return d, k
}

// TestList: there are enough command lines, and the list of differences is that
// of the scenarios.
func TestList(t *testing.T) {
	all := loadScenarios(t)
	if n := compared(all); n < enough {
		t.Errorf("%d command lines are compared, want at least %d", n, enough)
	}
	want := differences(all, loadKeys(t))
	const file = "testdata/differences.md"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || string(have) != want {
		t.Errorf("%s is not the list of the scenarios' differences (%v): run go test ./tests/peers -run List -update", file, err)
	}
}

// settle rewrites the scenarios without the notes on what was waited for and
// has come.
func settle(gone []note) error {
	byFile := map[string][]note{}
	for _, n := range gone {
		byFile[n.file] = append(byFile[n.file], n)
	}
	for file, notes := range byFile {
		path := filepath.Join("testdata", file)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(withoutNotes(string(data), notes)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
