package cache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func roots(t testing.TB) dirs.Roots {
	top := t.TempDir()
	return dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}
}

func open(t testing.TB, r dirs.Roots) *Cache {
	t.Helper()
	c, err := Open(r)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func key(n int) string { return fmt.Sprintf("%x", sha256.Sum256([]byte{byte(n), byte(n >> 8)})) }

// step does a step that writes a file of 8 KB.
func step(t testing.TB, c *Cache, k, text string) *Layer {
	t.Helper()
	w, err := c.Begin()
	must(t, err)
	must(t, os.WriteFile(w.Upper+"/file", []byte(text+strings.Repeat(" ", 8192-len(text))), 0o644), os.MkdirAll(w.Work+"/work", 0))
	l, err := w.Commit(Record{Key: k, Title: "RUN " + text})
	must(t, err)
	return l
}

func read(t testing.TB, l *Layer) string {
	t.Helper()
	b, err := os.ReadFile(l.Dir + "/file")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

func TestStepIsFoundByItsKey(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	if _, ok := c.Lookup(key(1)); ok {
		t.Fatal("an empty cache has a step")
	}
	made := step(t, c, key(1), "one")
	made.DiffID, made.ArchiveSize = "sha256:abc", 7
	must(t, c.Update(made))
	c.Close()
	again := open(t, r)
	l, ok := again.Lookup(key(1))
	if !ok || read(t, l) != "one" || l.DiffID != "sha256:abc" || l.ArchiveSize != 7 || l.Title != "RUN one" || l.Size < 8192 || !l.Synced {
		t.Errorf("got %+v, %v", l, ok)
	}
	for _, k := range []string{key(2), "", "../../etc", strings.ToUpper(key(1)), key(1)[:63]} {
		if _, ok := again.Lookup(k); ok {
			t.Errorf("there is a step with key %q", k)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(l.Dir))
	must(t, err)
	if len(entries) != 3 { // layer, step.json, lock
		t.Errorf("the step has %v", entries)
	}
}

func TestTheFirstOfTwoStepsIsTaken(t *testing.T) {
	r := roots(t)
	a, b := open(t, r), open(t, r)
	mine, err := a.Begin()
	must(t, err)
	must(t, os.WriteFile(mine.Upper+"/file", []byte("late"), 0o644))
	first := step(t, b, key(1), "first")
	got, err := mine.Commit(Record{Key: key(1)})
	must(t, err)
	if got.ID != first.ID || read(t, got) != "first" {
		t.Errorf("got %s with %q, want %s", got.ID, read(t, got), first.ID)
	}
	if _, err := os.Lstat(mine.Upper); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other one is still there: %v", err)
	}
}

func TestStepThatIsDoneAnewTakesTheOldOnesPlace(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	old := step(t, c, key(1), "old")
	fresh := step(t, c, key(1), "new") // with --no-cache
	if l, ok := c.Lookup(key(1)); !ok || l.ID != fresh.ID {
		t.Errorf("got %+v, want %s", l, fresh.ID)
	}
	if read(t, old) != "old" {
		t.Error("the old one is gone while it is in use")
	}
	c.Close()
	c = open(t, r)
	last := step(t, c, key(1), "last")
	list, err := c.List()
	must(t, err)
	if len(list) != 1 || list[0].ID != last.ID {
		t.Errorf("got %+v, want only %s", list, last.ID)
	}
}

func TestFailedCommitLeavesNothing(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	w, err := c.Begin()
	must(t, err)
	if _, err := w.Commit(Record{Key: "short"}); err == nil {
		t.Error("got no error")
	}
	w, err = c.Begin()
	must(t, err, w.Discard(), w.Discard())
	left, err := os.ReadDir(c.dir)
	must(t, err)
	if len(left) != 1 { // its lock
		t.Errorf("left: %v", left)
	}
}

func TestWorkOfTheDeadIsSwept(t *testing.T) {
	r := roots(t)
	open(t, r).Close()
	cmd := exec.Command(os.Args[0], "-test.run=TestWorkOfTheDeadIsSwept")
	if os.Getenv("SKIFF_TEST_DIE") != "" {
		c, err := Open(dirs.Roots{Data: os.Getenv("SKIFF_TEST_DIE")})
		must(t, err)
		w, err := c.Begin()
		must(t, err, os.MkdirAll(w.Upper+"/a/b", 0o700))
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	cmd.Env = append(os.Environ(), "SKIFF_TEST_DIE="+r.Data)
	if err := cmd.Run(); err == nil {
		t.Fatal("the process did not die")
	}
	left, err := os.ReadDir(r.BuildWork())
	must(t, err)
	if len(left) != 1 {
		t.Fatalf("got %v, want what the process left", left)
	}
	alive := open(t, r)
	other := open(t, r)
	left, err = os.ReadDir(r.BuildWork())
	must(t, err)
	if len(left) != 2 || alive.dir == other.dir {
		t.Errorf("got %v, want the directories of the two that live", left)
	}
}

// boot makes the cache one of an earlier boot.
func earlierBoot(t *testing.T, r dirs.Roots) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(r.Builds(), "boot"), []byte("earlier\n"), 0o600))
	entries, err := os.ReadDir(r.BuildSteps())
	must(t, err)
	for _, e := range entries {
		path := filepath.Join(r.BuildSteps(), e.Name(), recordFile)
		var rec Record
		if jsonfile.Read(path, &rec) == nil {
			rec.Boot = "earlier"
			must(t, jsonfile.Write(path, &rec, jsonfile.Volatile))
		}
	}
}

func TestStepsThatMayBeLostDoNotOutliveTheBoot(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	step(t, c, key(1), "synced")
	c.Synced()
	lost := step(t, c, key(2), "lost")
	half := step(t, c, key(3), "half")
	must(t, os.Truncate(filepath.Join(filepath.Dir(half.Dir), recordFile), 0))
	c.mu.Lock()
	clear(c.unsynced) // as if the power went
	c.mu.Unlock()
	c.Close()
	earlierBoot(t, r)
	c = open(t, r)
	for k, want := range map[string]bool{key(1): true, key(2): false, key(3): false} {
		if _, ok := c.Lookup(k); ok != want {
			t.Errorf("%s: found %v, want %v", k, ok, want)
		}
	}
	if _, err := os.Lstat(lost.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was lost is still there: %v", err)
	}
	left, err := os.ReadDir(r.BuildSteps())
	must(t, err)
	if len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// use sets when a step was used last.
func use(t *testing.T, l *Layer, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(-ago)
	must(t, os.Chtimes(filepath.Join(filepath.Dir(l.Dir), lockFile), at, at))
}

func ids(list []Entry) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestPrune(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	a, b, d := step(t, c, key(1), "a"), step(t, c, key(2), "b"), step(t, c, key(3), "d")
	must(t, c.Remember(key(9), key(8)))
	c.Close()
	use(t, a, 3*time.Hour)
	use(t, b, 2*time.Hour)
	use(t, d, time.Hour)
	image := filepath.Join(t.TempDir(), "image")
	must(t, os.Link(d.Dir+"/file", image)) // an image has the file of d

	freed, err := Prune(r, Filter{Unused: 150 * time.Minute})
	must(t, err)
	if !slices.Equal(ids(freed.Entries), []string{a.ID}) || freed.Bytes < 8192 {
		t.Errorf("unused for 2.5 hours: got %v, %d bytes; want %s", ids(freed.Entries), freed.Bytes, a.ID)
	}
	freed, err = Prune(r, Filter{All: true, Space: Space{MaxUsed: 1 << 30}})
	must(t, err)
	if len(freed.Entries) != 0 {
		t.Errorf("within what is kept: got %v", ids(freed.Entries))
	}
	user := open(t, r)
	if _, ok := user.Lookup(key(2)); !ok {
		t.Fatal("b is gone")
	}
	freed, err = Prune(r, Filter{})
	must(t, err)
	if len(freed.Entries) != 0 {
		t.Errorf("b is in use and d shared: got %v", ids(freed.Entries))
	}
	user.Close()
	freed, err = Prune(r, Filter{All: true})
	must(t, err)
	if !slices.Equal(ids(freed.Entries), []string{d.ID, b.ID}) || freed.Bytes < 8192 || freed.Bytes >= 2*8192+8192 {
		t.Errorf("all: got %v, %d bytes; want %s and %s, and only the latter's bytes", ids(freed.Entries), freed.Bytes, d.ID, b.ID)
	}
	if _, err := os.Lstat(image); err != nil {
		t.Errorf("the image lost its file: %v", err)
	}
	for _, dir := range []string{r.BuildSteps(), r.BuildWork(), r.BuildResults()} {
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left %v", dir, left)
		}
	}
}

func TestFiltersOfPrune(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	a := step(t, c, key(1), "make all")
	b := step(t, c, key(2), "make test")
	m := mount(t, r, "go")
	c.Close()
	for words, want := range map[string][]string{
		"description=test": {b.ID}, "id=" + a.ID: {a.ID}, "type=exec.cachemount": {filepath.Base(string(m))},
		"type!=regular": {filepath.Base(string(m))}, "inuse": nil, "shared": nil, "private=false": nil,
	} {
		k, v, _ := strings.Cut(words, "=")
		k, not := strings.CutSuffix(k, "!")
		match, err := NewMatch(k, v, not)
		must(t, err)
		list, err := List(r)
		must(t, err)
		var got []string
		for i := range list {
			if (Filter{Match: []Match{match}}).wants(&list[i]) {
				got = append(got, list[i].ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", words, got, want)
		}
	}
	for _, bad := range []string{"label=x", "type=disk", "inuse=perhaps"} {
		k, v, _ := strings.Cut(bad, "=")
		if _, err := NewMatch(k, v, false); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

func TestCutKeepsTheBound(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	var made []*Layer
	for i := range 5 {
		made = append(made, step(t, c, key(i), "x"))
	}
	c.Close()
	for i, l := range made {
		use(t, l, time.Duration(10-i)*time.Hour)
	}
	c = open(t, r)
	if _, ok := c.Lookup(key(0)); !ok { // the oldest is used again
		t.Fatal("step 0 is gone")
	}
	list, err := c.List()
	must(t, err)
	_, err = c.Cut(Limits{Space: Space{MaxUsed: 2*list[0].Size + 100}, Unused: 8*time.Hour + 30*time.Minute})
	must(t, err)
	var got []string
	list, err = c.List()
	must(t, err)
	for _, e := range list {
		got = append(got, e.ID)
	}
	if want := []string{made[4].ID, made[0].ID}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResults(t *testing.T) {
	c := open(t, roots(t))
	if _, ok := c.Result(key(1)); ok {
		t.Error("an empty cache has a result")
	}
	must(t, c.Remember(key(1), key(2)))
	if id, ok := c.Result(key(1)); !ok || id != key(2) {
		t.Errorf("got %q, %v", id, ok)
	}
	must(t, os.WriteFile(c.resultFile(key(3)), []byte(`{"version":1,"image":"../../x"}`), 0o600))
	if id, ok := c.Result(key(3)); ok {
		t.Errorf("got %q of a record that is not valid", id)
	}
}

// mount makes one as rootfs/build/mounts does.
func mount(t *testing.T, r dirs.Roots, name string) MountDir {
	t.Helper()
	m := Mount(r, name)
	must(t, os.MkdirAll(m.Data(), 0o755))
	must(t, os.WriteFile(m.Lock(), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(m.Data(), "file"), make([]byte, 8192), 0o600))
	must(t, jsonfile.Write(m.Record(), MountRecord{Version: MountVersion, ID: "go", Created: time.Now(), Used: time.Now()}, jsonfile.Volatile))
	return m
}

func TestMounts(t *testing.T) {
	r := roots(t)
	c := open(t, r)
	m := mount(t, r, "go")
	held, err := lock.Take(m.Lock())
	must(t, err)
	if freed, err := Prune(r, Filter{All: true}); err != nil || len(freed.Entries) != 0 {
		t.Errorf("pruned while in use: %v, %v", ids(freed.Entries), err)
	}
	held.Release()
	if freed, err := c.Cut(Limits{Space: Space{MaxUsed: 1 << 30}}); err != nil || len(freed.Entries) != 0 {
		t.Errorf("cut: got %v, %v", ids(freed.Entries), err)
	}
	if b, err := os.ReadFile(m.size()); err != nil || len(b) < len("8192") {
		t.Errorf("the size of a mount is remembered as %q, %v", b, err)
	}
	if freed, err := Prune(r, Filter{All: true}); err != nil || len(freed.Entries) != 1 {
		t.Errorf("got %v, %v; want one", ids(freed.Entries), err)
	}
	if left, _ := os.ReadDir(r.BuildMounts()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func BenchmarkLookup(b *testing.B) {
	r := roots(b)
	c := open(b, r)
	for i := range 300 {
		step(b, c, key(i), "x")
	}
	c.Close()
	for b.Loop() {
		c, err := Open(r)
		must(b, err)
		for i := range 10 {
			if _, ok := c.Lookup(key(i * 30)); !ok {
				b.Fatal("gone")
			}
		}
		c.Close()
	}
}
