package layer

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// records writes image records and the index of their names.
func records(t *testing.T, images ...state.Image) Images {
	t.Helper()
	im := Images{Roots: dirs.Roots{Data: t.TempDir()}}
	if err := os.MkdirAll(im.Roots.ImageNames(), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range images {
		img := &images[i]
		img.Version = state.ImageVersion
		if err := jsonfile.Write(im.Roots.Image(img.ID), img, jsonfile.Volatile); err != nil {
			t.Fatal(err)
		}
		for _, name := range img.Names {
			if IndexFile(im.Roots, name) == "" {
				continue // too long for a file's name
			}
			if err := os.WriteFile(IndexFile(im.Roots, name), []byte(img.ID+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return im
}

func id(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }

func TestLookup(t *testing.T) {
	im := records(t,
		state.Image{ID: id("abc1"), Names: []string{"localhost/web:latest", "docker.io/library/db:2"}},
		state.Image{ID: id("abc2"), Names: []string{"docker.io/library/web:latest", "quay.example/deep/down/tool:1"}, RepoDigests: []string{"quay.example/deep/down/tool@" + someDigest}},
		state.Image{ID: id("dead"), Names: []string{"docker.io/library/abc1:latest"}},
		state.Image{ID: id("f1"), Names: []string{"a.example/same:1"}},
		state.Image{ID: id("f2"), Names: []string{"b.example/same:1"}},
		state.Image{ID: id("f3"), Names: []string{"a.example/" + strings.Repeat("long", 50) + ":1"}},
	)
	for ref, want := range map[string]string{
		"web":           "abc1 localhost/web:latest",
		"docker.io/web": "abc2 docker.io/library/web:latest",
		"library/web":   "abc2 docker.io/library/web:latest",
		"db:2":          "abc1 docker.io/library/db:2",
		"tool:1":        "abc2 quay.example/deep/down/tool:1",
		"down/tool:1":   "abc2 quay.example/deep/down/tool:1",
		"quay.example/deep/down/tool@" + someDigest: "abc2 quay.example/deep/down/tool@" + someDigest,
		"abc1":               "dead docker.io/library/abc1:latest",
		"abc10":              "abc1 " + id("abc1"),
		"d":                  "dead " + id("dead"),
		"sha256:abc2":        "abc2 " + id("abc2"),
		id("abc2"):           "abc2 " + id("abc2"),
		"sha256:" + id("f1"): "f1 " + id("f1"),
		"a.example/" + strings.Repeat("long", 50) + ":1": "f3 a.example/" + strings.Repeat("long", 50) + ":1",
	} {
		img, full, err := im.Lookup(ref)
		prefix, name, _ := strings.Cut(want, " ")
		if err != nil || img.ID != id(prefix) || full != name {
			t.Errorf("%q: got %v, %q, %v, want %q", ref, img, full, err, want)
		}
	}
	for ref, want := range map[string]error{
		"db": state.ErrNotFound, "ool:1": state.ErrNotFound, "abcd": state.ErrNotFound, id("9"): state.ErrNotFound, "zzz": state.ErrNotFound,
		"quay.example/tool:1": state.ErrNotFound, "abc": state.ErrAmbiguous, "same:1": state.ErrAmbiguous, "f": state.ErrAmbiguous, "A": state.ErrInvalid,
	} {
		if img, _, err := im.Lookup(ref); !errors.Is(err, want) {
			t.Errorf("%q: got %v, %v, want %v", ref, img, err, want)
		}
	}
}

func TestLookupSurvivesABadIndex(t *testing.T) {
	one := state.Image{ID: id("1"), Names: []string{"localhost/one:latest"}}
	for what, content := range map[string]string{"missing": "", "nonsense": "../../x", "gone": id("9"), "another's": id("2")} {
		im := records(t, one, state.Image{ID: id("2")})
		path := IndexFile(im.Roots, "localhost/one:latest")
		if content == "" {
			os.Remove(path)
		} else if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if img, _, err := im.Lookup("one"); err != nil || img.ID != one.ID {
			t.Errorf("%s: got %v, %v", what, img, err)
		}
	}
}

func TestListSkipsWhatCannotBeRead(t *testing.T) {
	old := state.Image{ID: id("1"), Created: time.Unix(1, 0)}
	im := records(t, old, state.Image{ID: id("2"), Created: time.Unix(2, 0)})
	for name, text := range map[string]string{id("3"): "", id("4"): "{", id("5"): `{"version":99,"id":"` + id("5") + `"}`, id("6"): `{"version":1,"id":"other"}`} {
		if err := os.WriteFile(im.Roots.Image(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	images, err := im.List()
	if err != nil || len(images) != 2 || images[0].ID != id("2") || images[1].ID != id("1") {
		t.Errorf("got %v, %v, want the two good ones, the newest first", images, err)
	}
	if _, err := im.Load(id("5")); !errors.Is(err, state.ErrVersion) {
		t.Errorf("a newer record: got %v", err)
	}
	none := Images{Roots: dirs.Roots{Data: t.TempDir()}}
	if images, err := none.List(); err != nil || len(images) != 0 {
		t.Errorf("without a store: got %v, %v", images, err)
	}
}
