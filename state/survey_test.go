package state_test

import (
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"skiff/state"
	"skiff/state/jsonfile"
)

// survey looks at the store until the test's end.
func survey(t *testing.T, s *state.Store) (*state.Survey, *state.SurveyReader) {
	t.Helper()
	v, err := s.Survey()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, v.Reader()
}

// fill sets everything in v to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("a \"quoted\"\n\\ <word> é {[")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	default:
		panic("a kind of field that no record had: " + v.Kind().String())
	}
}

// listed is a config as a survey gives it.
func listed(full state.Config) *state.Config {
	return &state.Config{
		Version: full.Version, ID: full.ID, Name: full.Name, Created: full.Created,
		Image:   state.ImageRef{ID: full.Image.ID, Name: full.Image.Name},
		Process: state.Process{Entrypoint: full.Process.Entrypoint, Cmd: full.Process.Cmd},
		Labels:  full.Labels, Annotations: full.Annotations, Mounts: full.Mounts, Network: full.Network,
		Restart: full.Restart, AutoRemove: full.AutoRemove, CIDFile: full.CIDFile, Healthcheck: checked(full.Healthcheck),
	}
}

// checked is what a survey says of a health check: that there is one.
func checked(h *state.Healthcheck) *state.Healthcheck {
	if h == nil {
		return nil
	}
	return &state.Healthcheck{}
}

func TestSurveyGivesWhatListsShow(t *testing.T) {
	s := newStore(t)
	var rich state.Config
	fill(reflect.ValueOf(&rich).Elem())
	rich.Version, rich.ID, rich.Name = state.ConfigVersion, id("a"), "rich"
	poor := state.Config{Version: state.ConfigVersion, ID: id("b"), Name: "poor", Network: state.Network{Mode: state.ModeNone}}
	for _, cfg := range []*state.Config{&rich, &poor} {
		if err := s.Create(cfg); err != nil {
			t.Fatal(err)
		}
	}
	var ended state.Status
	fill(reflect.ValueOf(&ended).Elem())
	ended.Phase = state.Exited
	if err := jsonfile.Write(s.Roots.Container(rich.ID).Exit(), ended, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
	v, r := survey(t, s)
	if len(v.IDs) != 2 {
		t.Errorf("the survey has %q", v.IDs)
	}
	for _, c := range []struct {
		cfg *state.Config
		st  state.Status
	}{
		{&rich, ended},
		{&poor, state.Status{Version: state.StatusVersion, BootID: s.BootID, Phase: state.Created}},
		{&rich, ended}, // the reader's buffers are used again
	} {
		cfg, st, ok := r.Ended(c.cfg.ID)
		if !ok {
			t.Errorf("%s: not read", c.cfg.Name)
			continue
		}
		if want := listed(*c.cfg); !reflect.DeepEqual(cfg, want) {
			t.Errorf("config %s: got  %s\nwant %s", c.cfg.Name, text(t, cfg), text(t, want))
		}
		if !reflect.DeepEqual(st, c.st) {
			t.Errorf("status of %s: got  %s\nwant %s", c.cfg.Name, text(t, st), text(t, c.st))
		}
		live, err := s.Status(c.cfg.ID)
		if err != nil || !reflect.DeepEqual(live, state.Live{Status: st}) {
			t.Errorf("status of %s: the survey says %s, Status %s, %v", c.cfg.Name, text(t, st), text(t, live), err)
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSurveyLeavesTheRestToStatus(t *testing.T) {
	record := func(change func(*state.Config)) string {
		cfg := config(id("a"), "box")
		change(cfg)
		return text(t, cfg)
	}
	good := record(func(*state.Config) {})
	for _, c := range []struct {
		what, config, exit string
		run, want          bool
	}{
		{what: "a container that never ran", config: good, want: true},
		{what: "one that ended", config: good, exit: `{"version":1,"phase":"exited"}`, want: true},
		{what: "an exit.json that a power cut emptied", config: good, exit: "empty", want: true},
		{what: "files of a run", config: good, exit: `{"version":1,"phase":"exited"}`, run: true},
		{what: "one that ran when the machine went down", config: good, exit: `{"version":1,"bootId":"x","phase":"running"}`},
		{what: "a start that has just begun", config: good, exit: `{"version":1,"bootId":"` + newStore(t).BootID + `","phase":"running"}`},
		{what: "a damaged status", config: good, exit: `{"version":1,"phase":"exited"`},
		{what: "a status of the wrong type", config: good, exit: `{"version":1,"phase":"exited","pid":"1"}`},
		{what: "half a config", config: good[:len(good)/2]},
		{what: "an empty config", config: ""},
		{what: "a config of a wrong type", config: strings.Replace(good, `"network":{`, `"labels":[],"network":{`, 1)},
		{what: "a config of a newer skiff", config: record(func(c *state.Config) { c.Version++ })},
		{what: "somebody else's config", config: record(func(c *state.Config) { c.ID = id("b") })},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStore(t)
			create(t, s, id("a"), "box")
			paths := s.Roots.Container(id("a"))
			write(t, paths.Config(), c.config)
			if c.exit != "" {
				write(t, paths.Exit(), strings.TrimPrefix(c.exit, "empty"))
			}
			if c.run {
				if err := os.MkdirAll(paths.Run, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			_, r := survey(t, s)
			if cfg, st, ok := r.Ended(id("a")); ok != c.want {
				t.Errorf("got %v, %+v, %v, want %v", cfg, st, ok, c.want)
			}
			// A status that needs a second look is no quiet one, whatever the config.
			if got, want := r.Quiet(id("a")), c.want || c.exit == ""; got != want {
				t.Errorf("quiet: got %v, want %v", got, want)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSurveyOfNothing(t *testing.T) {
	v, r := survey(t, newStore(t))
	if _, _, ok := r.Ended(id("a")); ok || len(v.IDs) != 0 {
		t.Errorf("a store without directories has %q, %v", v.IDs, ok)
	}
}

func TestSurveyDoesNotTrustAnUnreadableRunRoot(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "box")
	if err := os.MkdirAll(s.Roots.Run, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s.Roots.Runs(), "not a directory")
	_, r := survey(t, s)
	if _, _, ok := r.Ended(id("a")); ok {
		t.Error("taken for ended where nobody can tell")
	}
}

// Lists of a thousand containers are quick because little is read and kept of
// each: this counts it, tests/bench takes the time.
func TestSurveyReadsLittle(t *testing.T) {
	s := newStore(t)
	var cfg state.Config
	fill(reflect.ValueOf(&cfg).Elem())
	cfg = *listed(cfg)
	cfg.Version, cfg.ID, cfg.Name = state.ConfigVersion, id("a"), "box"
	cfg.Labels, cfg.Annotations, cfg.Mounts, cfg.Network = nil, nil, nil, state.Network{Mode: state.ModeNone}
	cfg.Restart = state.RestartPolicy{Name: state.RestartNo}
	cfg.Image = state.ImageRef{ID: id("1"), Name: "docker.io/library/busybox:latest"}
	cfg.Process = state.Process{Cmd: []string{"sleep", "1"}, Env: []string{strings.Repeat("x", 1<<16)}}
	cfg.Security.Capabilities = make([]string, 1000)
	if err := s.Create(&cfg); err != nil {
		t.Fatal(err)
	}
	_, r := survey(t, s)
	var before, after runtime.MemStats
	read := func() {
		if _, _, ok := r.Ended(cfg.ID); !ok {
			t.Fatal("not read")
		}
	}
	read() // makes the buffers
	const rounds = 100
	runtime.ReadMemStats(&before)
	for range rounds {
		read()
	}
	runtime.ReadMemStats(&after)
	if n := (after.Mallocs - before.Mallocs) / rounds; n > 30 {
		t.Errorf("%d allocations per container", n)
	}
	if n := (after.TotalAlloc - before.TotalAlloc) / rounds; n > 4<<10 {
		t.Errorf("%d bytes per container", n)
	}
}

func TestFindTakesAFullID(t *testing.T) {
	s := newStore(t)
	create(t, s, id("a"), "box")
	if got, err := s.Find(id("a")); got != id("a") || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.Remove(s.Roots.Container(id("a")).Config()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Find(id("a")); err == nil {
		t.Errorf("found %q, which is half removed", got)
	}
}
