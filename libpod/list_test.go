package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skiff/libpod/settings"
	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

var epoch = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

func listEngine(t *testing.T) *Engine {
	t.Helper()
	dir := t.TempDir()
	e, err := Open(Options{Roots: dirs.Roots{Data: dir + "/data", Run: dir + "/run"}}, settings.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// addContainer stores a container; the letter is its name and its id's digits.
func addContainer(t *testing.T, e *Engine, letter string, phase state.Phase, change func(*state.Config)) {
	t.Helper()
	cfg := &state.Config{
		Version: state.ConfigVersion, ID: strings.Repeat(letter, 64), Name: "name-" + letter,
		Created: epoch.Add(time.Duration(letter[0]) * time.Minute), Network: state.Network{Mode: state.ModeNone},
		Process: state.Process{Cmd: []string{"run-" + letter}},
	}
	if change != nil {
		change(cfg)
	}
	if err := e.Store.Create(cfg); err != nil {
		t.Fatal(err)
	}
	if phase == state.Exited {
		st := state.Status{Version: 1, BootID: e.Store.BootID, Phase: phase, ExitCode: 3, StartedAt: epoch, FinishedAt: epoch}
		if err := jsonfile.Write(e.Roots.Container(cfg.ID).Exit(), st, jsonfile.Volatile); err != nil {
			t.Fatal(err)
		}
	}
}

func addImage(t *testing.T, e *Engine, letter string, img state.Image) {
	t.Helper()
	img.Version, img.ID = state.ImageVersion, strings.Repeat(letter, 64)
	if img.Created.IsZero() {
		img.Created = epoch.Add(time.Duration(letter[0]) * time.Minute)
	}
	if err := os.MkdirAll(e.Roots.ImageNames(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := jsonfile.Write(e.Roots.Image(img.ID), img, jsonfile.Volatile); err != nil {
		t.Fatal(err)
	}
}

func listFilters(t *testing.T, words ...string) []Filter {
	t.Helper()
	f, err := ParseFilters("container", words)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func letters(list []Container) string {
	var s string
	for _, c := range list {
		s += c.Config.ID[:1]
	}
	return s
}

func TestContainerFilters(t *testing.T) {
	e := listEngine(t)
	base := state.Image{Names: []string{"docker.io/library/httpd:2.4"}, DiffIDs: []string{"1"}, LayerSizes: []int64{1}}
	child := state.Image{Names: []string{"localhost/app:latest"}, DiffIDs: []string{"1", "2"}, LayerSizes: []int64{1, 2}}
	addImage(t, e, "1", base)
	addImage(t, e, "2", child)
	addContainer(t, e, "a", state.Exited, func(c *state.Config) {
		c.Labels = map[string]string{"app": "web", "tier": "1"}
		c.Image = state.ImageRef{ID: strings.Repeat("1", 64), Name: base.Names[0]}
		c.Restart.Name = state.RestartAlways
		c.Mounts = []state.Mount{{Type: state.MountVolume, Source: "vol", Target: "/data"}}
	})
	addContainer(t, e, "b", state.Created, func(c *state.Config) {
		c.Labels = map[string]string{"app": "db"}
		c.Image = state.ImageRef{ID: strings.Repeat("2", 64), Name: child.Names[0]}
		c.Network = state.Network{
			Mode: state.ModeBridge, Endpoints: []state.Endpoint{{Network: "app"}}, Expose: []string{"9000-9002/udp"},
			Ports: []state.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
		}
	})
	addContainer(t, e, "c", state.Created, func(c *state.Config) {
		c.Image = state.ImageRef{ID: strings.Repeat("9", 64), Name: "quay.io/gone/img:1"}
	})
	for _, c := range []struct {
		filters []string
		want    string
	}{
		{nil, "abc"},
		{[]string{"id=a"}, "a"}, {[]string{"id=A"}, "a"}, {[]string{"id=^[^a]"}, "bc"}, {[]string{"id=[0-9a-f]"}, "abc"}, {[]string{"id=[^0-9a-f]"}, ""},
		{[]string{"name=name-b"}, "b"}, {[]string{"name=^/name-(a|b)$"}, "ab"}, {[]string{"name=a", "name=b"}, "abc"},
		{[]string{"label=app"}, "ab"}, {[]string{"label=app=web"}, "a"}, {[]string{"label=app", "label=tier"}, "a"}, {[]string{"label!=tier"}, "bc"},
		{[]string{"status=created"}, "bc"}, {[]string{"status=exited", "status=created"}, "abc"}, {[]string{"status=dead"}, ""},
		{[]string{"exited=3"}, "a"}, {[]string{"exited=0"}, ""},
		{[]string{"ancestor=httpd:2.4"}, "ab"}, {[]string{"ancestor=app"}, "b"}, {[]string{"ancestor=gone/img"}, "c"}, {[]string{"ancestor=img:2"}, ""},
		{[]string{"before=name-b"}, "a"}, {[]string{"since=name-b"}, "c"}, {[]string{"until=" + epoch.Add(98*time.Minute).Format(time.RFC3339)}, "a"},
		{[]string{"volume=vol"}, "a"}, {[]string{"volume=/data"}, "a"}, {[]string{"network=app"}, "b"}, {[]string{"network=none"}, "ac"},
		{[]string{"restart-policy=always"}, "a"}, {[]string{"restart-policy=no"}, "bc"}, {[]string{"should-start-on-boot=true"}, "a"},
		{[]string{"command=run-c"}, "c"}, {[]string{"publish=8080"}, "b"}, {[]string{"publish=80/udp"}, ""}, {[]string{"publish=8000-8090"}, "b"}, {[]string{"publish=80"}, ""}, {[]string{"expose=70-90"}, "b"},
		{[]string{"expose=9001/udp"}, "b"}, {[]string{"expose=9003/udp"}, ""},
		{[]string{"is-task=false"}, "abc"}, {[]string{"is-task=true"}, ""}, {[]string{"pod=x"}, ""}, {[]string{"health=none"}, "abc"}, {[]string{"health=healthy"}, ""},
		{[]string{"label=app", "status=created"}, "b"},
	} {
		got, err := e.ContainerList(ListOptions{All: true, Filters: listFilters(t, c.filters...)})
		if err != nil || letters(got) != c.want {
			t.Errorf("%v: got %q, %v, want %q", c.filters, letters(got), err, c.want)
		}
	}
}

func TestContainerListChoosesByState(t *testing.T) {
	e := listEngine(t)
	addContainer(t, e, "a", state.Exited, nil)
	addContainer(t, e, "b", state.Created, nil)
	for _, c := range []struct {
		name string
		opt  ListOptions
		want string
	}{
		{"running ones only", ListOptions{}, ""},
		{"a state that is asked for", ListOptions{Filters: listFilters(t, "status=exited")}, "a"},
		{"an exit status that is asked for", ListOptions{Filters: listFilters(t, "exited=3")}, "a"},
		{"the last one", ListOptions{Last: 1}, "b"},
		{"more than there are", ListOptions{Last: 9}, "ab"},
	} {
		got, err := e.ContainerList(c.opt)
		if err != nil || letters(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, letters(got), err, c.want)
		}
	}
	if id, err := e.Latest(); err != nil || id[:1] != "b" {
		t.Errorf("Latest: %q, %v", id, err)
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	e := listEngine(t)
	for _, word := range []string{"nope=1", "status=sleepy", "exited=x", "is-task=maybe", "publish=x", "publish=9-8", "until=later", "name=(", "before=nobody", "health=fine"} {
		if _, err := e.ContainerList(ListOptions{Filters: listFilters(t, word)}); err == nil {
			t.Errorf("%q was accepted", word)
		}
	}
	for _, word := range []string{"", "x", "=y", "!=y"} {
		if _, err := ParseFilter("container", word); err == nil {
			t.Errorf("the filter %q was accepted", word)
		}
	}
}

func TestSizeCountsFilesOnceAndStaysInside(t *testing.T) {
	e := listEngine(t)
	addContainer(t, e, "a", state.Created, nil)
	upper := e.Roots.Container(strings.Repeat("a", 64)).Upper()
	outside := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(outside, "big"), make([]byte, 1<<20), 0o644))
	must(os.WriteFile(filepath.Join(upper, "f"), make([]byte, 1000), 0o644))
	must(os.Link(filepath.Join(upper, "f"), filepath.Join(upper, "g")))
	must(os.Symlink(outside, filepath.Join(upper, "s")))
	list, err := e.ContainerList(ListOptions{All: true, Size: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(1000 + len(outside)); *list[0].SizeRw != want || *list[0].SizeRoot != want {
		t.Errorf("sizes %d and %d, want %d", *list[0].SizeRw, *list[0].SizeRoot, want)
	}
}

func imageLetters(list []Image) string {
	var s string
	for _, i := range list {
		s += i.ID[:1]
	}
	return s
}

// imageEngine has a base image, an unnamed step on it, an app on that, a stray
// image without a name, and one known by digest only.
func imageEngine(t *testing.T) *Engine {
	e := listEngine(t)
	step := func(n int) (h []state.ImageHistory) {
		for i := range n {
			h = append(h, state.ImageHistory{CreatedBy: fmt.Sprint("step", i)})
		}
		return h
	}
	layers := []string{"l1", "l2", "l3"}
	sizes := []int64{10, 20, 30}
	addImage(t, e, "1", state.Image{Names: []string{"docker.io/library/base:1", "quay.io/x/base:2"}, DiffIDs: layers[:1], LayerSizes: sizes[:1], History: step(1)})
	addImage(t, e, "2", state.Image{DiffIDs: layers[:2], LayerSizes: sizes[:2], History: step(2)})
	addImage(t, e, "3", state.Image{Names: []string{"localhost/app:latest"}, DiffIDs: layers, LayerSizes: sizes, History: step(3), Config: state.ImageConfig{Labels: map[string]string{"k": "v"}}})
	addImage(t, e, "4", state.Image{DiffIDs: []string{"s"}, LayerSizes: []int64{5}})
	addImage(t, e, "5", state.Image{RepoDigests: []string{"quay.io/d@sha256:abc"}, Digest: "sha256:abc"})
	addContainer(t, e, "a", state.Created, func(c *state.Config) { c.Image.ID = strings.Repeat("3", 64) })
	return e
}

func TestImageList(t *testing.T) {
	e := imageEngine(t)
	for _, c := range []struct {
		all     bool
		filters []string
		want    string
	}{
		{false, nil, "5431"}, {true, nil, "54321"},
		{false, []string{"dangling=true"}, "42"}, {false, []string{"dangling=false"}, "531"},
		{false, []string{"intermediate=true"}, "2"}, {false, []string{"label=k=v"}, "3"}, {false, []string{"label!=k"}, "541"},
		{false, []string{"before=app"}, "1"}, {false, []string{"since=base:1"}, "543"}, {false, []string{"after=base:1"}, "543"},
		{false, []string{"reference=base"}, "1"}, {false, []string{"reference=*/base"}, "1"}, {false, []string{"reference=b*:2"}, "1"}, {false, []string{"reference=base:3"}, ""},
		{false, []string{"reference=" + strings.Repeat("3", 12)}, "3"}, {false, []string{"id=4"}, "4"}, {false, []string{"digest=sha256:abc"}, "5"},
		{false, []string{"containers=true"}, "3"}, {true, []string{"containers=false"}, "5421"}, {false, []string{"readonly=true"}, ""},
		{false, []string{"reference=base", "reference=app"}, "31"},
	} {
		got, err := e.ImageList(ImageListOptions{All: c.all, Filters: listFilters(t, c.filters...)})
		if err != nil || imageLetters(got) != c.want {
			t.Errorf("%v (all %v): got %q, %v, want %q", c.filters, c.all, imageLetters(got), err, c.want)
		}
	}
	got, err := e.ImageList(ImageListOptions{Filters: listFilters(t, "reference=quay.io/x/base")})
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Shown, []string{"quay.io/x/base:2"}) {
		t.Errorf("the names that a reference chooses: %+v, %v", got, err)
	}
	for _, word := range []string{"nope=1", "dangling=perhaps", "before=nobody", "reference=[", "until=later"} {
		if _, err := e.ImageList(ImageListOptions{Filters: listFilters(t, word)}); err == nil {
			t.Errorf("%q was accepted", word)
		}
	}
}

func TestImagePrune(t *testing.T) {
	e := imageEngine(t)
	for _, c := range []struct {
		all  bool
		want string
	}{{false, "4"}, {true, "5421"}} {
		got, err := e.ImagePrune(c.all, nil)
		if err != nil || imageLetters(got) != c.want {
			t.Errorf("all %v: got %q, %v, want %q", c.all, imageLetters(got), err, c.want)
		}
	}
	before, err := e.Images.List()
	if err != nil {
		t.Fatal(err)
	}
	var after []*state.Image
	for _, i := range before {
		if i.ID[0] == '2' || i.ID[0] == '1' {
			after = append(after, i)
		}
	}
	if got := ReclaimedSpace(before, after); got != 35 {
		t.Errorf("reclaimed %d bytes, want the 30 of app's last layer and the 5 of the stray image", got)
	}
}

func TestImageHistory(t *testing.T) {
	e := imageEngine(t)
	steps, err := e.ImageHistory("app")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, fmt.Sprintf("%.1s %s %d %d", s.ID, s.CreatedBy, s.Size, len(s.Tags)))
	}
	want := []string{"3 step2 30 1", "2 step1 20 0", "1 step0 10 2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	i, err := e.ImageInspect("app")
	if err != nil || i.Parent != strings.Repeat("2", 64) {
		t.Errorf("parent %q, %v", i.Parent, err)
	}
	// Layers without history, as an import by hand has them.
	if steps, err := e.ImageHistory(strings.Repeat("4", 64)); err != nil || len(steps) != 1 || steps[0].Size != 5 {
		t.Errorf("an image without history: %+v, %v", steps, err)
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.Local)
	for in, want := range map[string]time.Time{
		"10m":                         now.Add(-10 * time.Minute),
		"1h30m":                       now.Add(-90 * time.Minute),
		"1700000000":                  time.Unix(1700000000, 0),
		"1700000000.5":                time.Unix(1700000000, 5e8),
		"2024-01-02T03:04:05Z":        time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		"2024-01-02T03:04:05":         time.Date(2024, 1, 2, 3, 4, 5, 0, time.Local),
		"2024-01-02":                  time.Date(2024, 1, 2, 0, 0, 0, 0, time.Local),
		"2024-01-02T03:04:05.5+02:00": time.Date(2024, 1, 2, 1, 4, 5, 5e8, time.UTC),
	} {
		if got, err := ParseMoment(in, now); err != nil || !got.Equal(want) {
			t.Errorf("ParseMoment(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "soon", "1.2.3", "-1700000000", "99999999999999999999"} {
		if got, err := ParseMoment(in, now); err == nil {
			t.Errorf("ParseMoment(%q) = %v, want an error", in, got)
		}
	}
}
