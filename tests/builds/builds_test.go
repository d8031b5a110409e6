package builds

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var (
	record  = flag.Bool("record", false, "record what the current BuildKit makes in testdata/results, and rewrite testdata/differences.md")
	only    = flag.String("with", "", "the only other builder to run")
	subject = flag.String("subject", "skiff", "the builder whose images are compared with the others': skiff or recorded")
)

// enough is how many Dockerfiles are compared at least.
const enough = 80

// TestRecorded builds each case with skiff and compares with what the current
// BuildKit made of it when it was recorded.
func TestRecorded(t *testing.T) {
	all, common := loadCases(t), loadKnown(t)
	b := newBed(t)
	skiff := newSkiff(t, b)
	for _, k := range all {
		if !k.by("buildkit") {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			want, err := k.recorded()
			if err != nil {
				t.Fatal(err)
			}
			r := b.makeOne(t, k, skiff)
			k.judge(t, "buildkit", want, r, used{}, common)
		})
	}
}

// TestOthers builds each case with skiff and with all others that it names.
func TestOthers(t *testing.T) {
	all, common := loadCases(t), loadKnown(t)
	b := newBed(t)
	b.addLarge(t)
	others := map[string]*engine{}
	for name, start := range map[string]func(*testing.T, *bed) *engine{"buildah": newBuildah, "docker": newDocker, "buildkit": newBuildkit} {
		if *only == "" || *only == name {
			others[name] = start(t, b)
		}
	}
	var skiff *engine
	if *subject == "skiff" {
		skiff = newSkiff(t, b)
	}
	seen, ran := used{}, 0
	for _, k := range all {
		t.Run(k.name, func(t *testing.T) {
			k.compareAll(t, b, skiff, others, seen, common)
			ran++
		})
	}
	if ran < len(all) || skiff == nil || *only != "" {
		return // some were chosen
	}
	for _, n := range common {
		if !seen[n] && others[n.other] != nil {
			t.Errorf("%s: %s %s %s no longer differs (%s)", n.where, n.other, n.aspect, n.name, n.reason)
		}
	}
}

// used are the notes that spoke of a difference.
type used map[*known]bool

func (k *kase) by(name string) bool {
	for _, o := range k.others {
		if o == name {
			return true
		}
	}
	return false
}

// compareAll builds the case with the subject and with the others, and compares.
func (k *kase) compareAll(t *testing.T, b *bed, skiff *engine, others map[string]*engine, seen used, common []*known) {
	dir, err := b.prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	made := k.makeAll(t, dir, others)
	if *record && made["buildkit"] != nil {
		if err := k.write(made["buildkit"]); err != nil {
			t.Fatal(err)
		}
	}
	var r *result
	if skiff != nil {
		if r, err = skiff.make(k, dir); err != nil {
			t.Fatal(err)
		}
	} else if lines, err := k.recorded(); err == nil {
		r = &result{lines: lines}
		if lines == nil {
			r.failed, r.output = fmt.Errorf("recorded"), "recorded"
		}
	} else {
		t.Log(err)
		return
	}
	for _, name := range k.others {
		if o := made[name]; o != nil {
			if o.failed != nil && k.fails == nil && !k.note(name, "fails ", seen, common) {
				t.Errorf("%v\n%s", o.failed, o.output)
				continue
			}
			k.judge(t, name, o.lines, r, seen, common)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// makeAll builds the case with the others that it names, at the same time.
func (k *kase) makeAll(t *testing.T, dir string, others map[string]*engine) map[string]*result {
	made := map[string]*result{}
	var mu sync.Mutex // of made
	var wg sync.WaitGroup
	for _, name := range k.others {
		if e := others[name]; e != nil && (*only == "" || *only == name) {
			wg.Go(func() {
				r, err := e.make(k, dir)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				made[name] = r
			})
		}
	}
	wg.Wait()
	return made
}

// makeOne builds the case with one engine.
func (b *bed) makeOne(t *testing.T, k *kase, e *engine) *result {
	t.Helper()
	dir, err := b.prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.make(k, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// judge compares a result with another builder's, nil where that failed.
func (k *kase) judge(t *testing.T, other string, want snapshot, got *result, seen used, common []*known) {
	t.Helper()
	switch {
	case k.fails != nil && got.failed == nil:
		t.Errorf("the build succeeded, which it should not:\n%s", got.output)
		return
	case k.fails != nil:
		if *subject == "skiff" && !k.fails.MatchString(got.output) {
			t.Errorf("want a message like %q, got:\n%s", k.fails, got.output)
		}
		if want != nil && !k.note(other, "fails ", seen, common) {
			t.Errorf("%s builds it, which nothing explains", other)
		}
		return
	case got.failed != nil:
		t.Errorf("%v\n%s", got.failed, got.output)
		return
	case want == nil:
		if !k.note(other, "fails ", seen, common) {
			t.Errorf("%s does not build it, which nothing explains", other)
		}
		return
	}
	var bad []string
	for _, d := range compare(want, got.lines) {
		if !k.note(other, d.key, seen, common) {
			bad = append(bad, d.String())
		}
	}
	if len(bad) > 60 {
		bad = append(bad[:60], fmt.Sprintf("and %d more", len(bad)-60))
	}
	if len(bad) > 0 {
		t.Errorf("differs from %s's:\n%s", other, strings.Join(bad, "\n"))
	}
	for _, n := range k.known {
		if n.other == other && !seen[n] {
			t.Errorf("%s: %s %s no longer differs (%s)", n.where, n.aspect, n.name, n.reason)
		}
	}
}

// note finds the note that explains a difference.
func (k *kase) note(other, key string, seen used, common []*known) bool {
	found := false
	for _, list := range [][]*known{k.known, common} {
		for _, n := range list {
			if n.matches(other, key) {
				seen[n], found = true, true
			}
		}
	}
	return found
}

func (k *kase) file() string { return filepath.Join("testdata/results", k.name+".txt") }

// failure is the whole recorded result of a build that failed.
const failure = "failed\n"

// recorded reads the recorded result; nil means that the build failed.
func (k *kase) recorded() (snapshot, error) {
	data, err := os.ReadFile(k.file())
	if err != nil {
		return nil, err
	}
	if string(data) == failure {
		return nil, nil
	}
	return parseSnapshot(string(data))
}

func (k *kase) write(r *result) error {
	text := failure
	if r.failed == nil {
		text = r.lines.text()
	}
	return os.WriteFile(k.file(), []byte(text), 0o644)
}

// TestCases: there are enough cases, and the list of differences is that of the
// cases.
func TestCases(t *testing.T) {
	all := loadCases(t)
	if len(all) < enough {
		t.Errorf("%d Dockerfiles are compared, want at least %d", len(all), enough)
	}
	want := differences(all, loadKnown(t))
	const file = "testdata/differences.md"
	if *record {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || string(have) != want {
		t.Errorf("%s is not the list of the cases' differences (%v): run go test ./tests/builds -run Cases -record", file, err)
	}
}

// differences is testdata/differences.md.
func differences(all []*kase, common []*known) string {
	var b strings.Builder
	b.WriteString("# Differences from other builders\n\nWritten by `go test ./tests/builds -run Cases -record`. buildah and docker are\n" +
		"Debian 12's (1.28 and 20.10), buildkit is the current one.\n\n## In many images\n\n")
	for _, n := range common {
		fmt.Fprintf(&b, "- %s, %s `%s`: %s\n", n.other, n.aspect, n.name, n.reason)
	}
	b.WriteString("\n## In single ones\n\n")
	for _, k := range all {
		for _, n := range k.known {
			fmt.Fprintf(&b, "- %s (%s): %s, %s `%s`: %s\n", k.name, k.title, n.other, n.aspect, n.name, n.reason)
		}
	}
	return b.String()
}
