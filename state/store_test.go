package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

func newStore(t *testing.T) *state.Store {
	t.Helper()
	dir := t.TempDir()
	s, err := state.Open(dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func id(c string) string { return strings.Repeat(c, 64) }

func config(id, name string) *state.Config {
	return &state.Config{Version: state.ConfigVersion, ID: id, Name: name}
}

func create(t *testing.T, s *state.Store, id, name string) *state.Config {
	t.Helper()
	cfg := config(id, name)
	if err := s.Create(cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCreateReservesIDAndName(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "web")
	err := s.Create(config(id("b"), "web"))
	var taken *state.NameTaken
	if !errors.As(err, &taken) || taken.ID != id("a") || !errors.Is(err, state.ErrExists) {
		t.Fatalf("second container of the name: got %v, want NameTaken by a…", err)
	}
	if _, err := os.Stat(s.Roots.Container(id("b")).Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the failed create left its directory: %v", err)
	}
	if err := s.Create(config(id("a"), "other")); !errors.Is(err, state.ErrExists) {
		t.Errorf("second container of the id: got %v, want ErrExists", err)
	}
	if _, err := s.Find("other"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("the failed create left its name: %v", err)
	}
}

func TestOneNameGoesToOneOfMany(t *testing.T) {
	s := newStore(t)
	var won, lost int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range "0123456789abcdef" {
		wg.Go(func() {
			err := s.Create(config(id(string(c)), "web"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, state.ErrExists):
				lost++
			default:
				t.Errorf("create: %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 15 {
		t.Fatalf("%d creates got the name and %d did not, want 1 and 15", won, lost)
	}
	ids, err := s.IDs()
	if err != nil || len(ids) != 1 {
		t.Fatalf("containers left: %v, %v; want one", ids, err)
	}
}

func TestAGhostNameIsTakenOver(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "web")
	if err := os.RemoveAll(s.Roots.Container(id("a")).Data); err != nil {
		t.Fatal(err)
	}
	create(t, s, id("b"), "web")
	if got, err := s.Find("web"); err != nil || got != id("b") {
		t.Fatalf("Find(web) = %q, %v; want b…", got, err)
	}
}

func TestFind(t *testing.T) {
	s := newStore(t)
	ab, ac := "ab"+id("0")[2:], "ac"+id("0")[2:]
	create(t, s, ab, "web")
	create(t, s, ac, "ab")
	for _, tc := range []struct {
		name, ref, want string
		err             error
	}{
		{"by name", "web", ab, nil},
		{"by name with docker's slash", "/web", ab, nil},
		{"by full id", ac, ac, nil},
		{"by unique prefix", "ac", ac, nil},
		{"a name wins over a prefix", "ab", ac, nil},
		{"an ambiguous prefix", "a", "", state.ErrAmbiguous},
		{"an unknown name", "nope", "", state.ErrNotFound},
		{"an unknown prefix", "ffff", "", state.ErrNotFound},
		{"nothing", "", "", state.ErrNotFound},
		{"a path", "../names/web", "", state.ErrNotFound},
	} {
		got, err := s.Find(tc.ref)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: Find(%q) = %.4q, %v; want %.4q, %v", tc.name, tc.ref, got, err, tc.want, tc.err)
		}
	}
}

func TestRenameFreesTheOldName(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "web")
	create(t, s, id("b"), "db")
	rename := func(to string) error {
		return s.Update(id("a"), func(c *state.Config) error { c.Name = to; return nil })
	}
	if err := rename("db"); !errors.Is(err, state.ErrExists) {
		t.Fatalf("rename to a taken name: got %v, want ErrExists", err)
	}
	if got, _ := s.Find("web"); got != id("a") {
		t.Fatalf("the failed rename lost the name: Find(web) = %q", got)
	}
	if err := rename("site"); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Find("site"); got != id("a") {
		t.Errorf("Find(site) = %q, want a…", got)
	}
	create(t, s, id("c"), "web")
}

func TestSweepRemovesOnlyWhatNobodyMakes(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "whole")
	dead := s.Roots.Container(id("b"))
	busy := s.Roots.Container(id("c"))
	for _, c := range []dirs.Container{dead, busy} {
		if err := os.MkdirAll(c.Upper(), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.Lock(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := lock.Take(busy.Lock())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := os.WriteFile(s.Roots.Name("ghost"), []byte(id("d")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		s.Roots.Container(id("a")).Config(): true,
		dead.Data:                           false,
		busy.Data:                           true,
		s.Roots.Name("whole"):               true,
		s.Roots.Name("ghost"):               false,
	} {
		if got := jsonfile.Exists(path); got != want {
			t.Errorf("%s exists: %v, want %v", path, got, want)
		}
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	s := newStore(t)
	cfg := create(t, s, id("a"), "web")
	if err := os.MkdirAll(s.Roots.Container(id("a")).Run, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(cfg); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{s.Roots.Containers(), s.Roots.Names(), filepath.Join(s.Roots.Run, "containers")} {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 0 {
			t.Errorf("%s holds %v, %v; want nothing", dir, left, err)
		}
	}
}

// TestStatus writes what a monitor would have written at some instant and asks
// what is true.
func TestStatus(t *testing.T) {
	running := state.Status{Phase: state.Running, Pid: 1, StartedAt: time.Unix(1, 0)}
	exited := state.Status{Phase: state.Exited, ExitCode: 3}
	for _, tc := range []struct {
		name          string
		status, exit  *state.Status
		oldBoot, held bool
		want          state.Phase
		lost          bool
		code          int
	}{
		{name: "never started", want: state.Created},
		{name: "running", status: &running, exit: &running, held: true, want: state.Running},
		{name: "about to write its status", exit: &running, held: true, want: state.Running},
		{name: "ended", exit: &exited, want: state.Exited, code: 3},
		{name: "ended, the monitor takes its leave", exit: &exited, held: true, want: state.Exited, code: 3},
		{name: "monitor killed", status: &running, exit: &running, want: state.Exited, lost: true, code: 137},
		{name: "monitor killed before status.json", exit: &running, want: state.Exited, lost: true, code: 137},
		{name: "machine went down", exit: &running, oldBoot: true, want: state.Exited, lost: true, code: 137},
		{name: "machine went down, run root kept", status: &running, exit: &running, oldBoot: true, want: state.Exited, lost: true, code: 137},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStore(t)
			create(t, s, id("a"), "web")
			c := s.Roots.Container(id("a"))
			if err := os.MkdirAll(c.Run, 0o700); err != nil {
				t.Fatal(err)
			}
			put := func(path string, st *state.Status) {
				if st == nil {
					return
				}
				v := *st
				v.BootID = s.BootID
				if tc.oldBoot {
					v.BootID = "another"
				}
				if err := jsonfile.Write(path, v, jsonfile.Volatile); err != nil {
					t.Fatal(err)
				}
			}
			put(c.Status(), tc.status)
			put(c.Exit(), tc.exit)
			if tc.held {
				l, err := lock.Claim(c.Alive())
				if err != nil {
					t.Fatal(err)
				}
				defer l.Release()
			}
			got, err := s.Status(id("a"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Phase != tc.want || got.Lost != tc.lost || got.ExitCode != tc.code {
				t.Errorf("got %s lost=%v code=%d, want %s lost=%v code=%d", got.Phase, got.Lost, got.ExitCode, tc.want, tc.lost, tc.code)
			}
		})
	}
}

func TestStatusOfNothing(t *testing.T) {
	if _, err := newStore(t).Status(id("a")); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestAHandEditedRecordIsChecked(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "web")
	path := s.Roots.Container(id("a")).Config()
	for content, want := range map[string]error{
		`{"version":99,"id":"` + id("a") + `"}`: state.ErrVersion,
		`{"version":1,"id":"x"}`:                state.ErrInvalid,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(id("a")); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", content, err, want)
		}
	}
	if err := os.WriteFile(path, []byte(`{"version":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(id("a")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("broken JSON: got %v, want an error that names the file", err)
	}
}
