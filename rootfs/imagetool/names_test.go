package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
	registry "skiff/tests/registry"
)

// loaded puts an image into the store under these names.
func (tl *tool) loaded(t *testing.T, img registry.Image, tags ...string) *registry.Built {
	t.Helper()
	b := img.Build(t)
	path := write(t, filepath.Join(t.TempDir(), "img.tar"), string(b.DockerArchive(t, tags...)))
	tl.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: path})
	return b
}

// container makes the record of a container that uses the image.
func (tl *tool) container(t *testing.T, id string) string {
	t.Helper()
	cid := strings.Repeat("c", 64)
	text, err := json.Marshal(state.Config{Version: 1, ID: cid, Image: state.ImageRef{ID: id}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, tl.roots.Container(cid).Config(), string(text))
	return cid
}

func removed(res *imagecall.Result) string {
	var all []string
	for _, r := range res.Removed {
		all = append(all, strings.TrimSpace("-"+r.Untagged+" "+r.Deleted))
	}
	return strings.Join(all, "; ")
}

func rmi(refs ...string) imagecall.Request {
	return imagecall.Request{Op: imagecall.OpRemove, Images: refs}
}

func TestTagAndUntag(t *testing.T) {
	tl := newTool(t)
	b := tl.loaded(t, simple(t, "gzip"), "one:1")
	other := tl.loaded(t, simple(t, "gzip", "gzip"), "two:1")
	op := func(op string, images ...string) imagecall.Request {
		return imagecall.Request{Op: op, Images: images}
	}
	tl.must(t, op(imagecall.OpTag, "one:1", "short", "registry.example:5000/a/b:2"))
	for _, ref := range []string{"short", "localhost/short", "localhost/short:latest", "registry.example:5000/a/b:2", "a/b:2", b.ID()[:5]} {
		if got := tl.lookup(t, ref); got.ID != b.ID() {
			t.Errorf("%q: got %s", ref, got.ID)
		}
	}
	// A name moves.
	tl.must(t, op(imagecall.OpTag, "two:1", "short"))
	if got := tl.lookup(t, "short"); got.ID != other.ID() {
		t.Errorf("after the move: got %s, want %s", got.ID, other.ID())
	}
	tl.must(t, op(imagecall.OpUntag, "two:1", "short"))
	if _, _, err := tl.images.Lookup("short"); err == nil {
		t.Error("short is still there")
	}
	tl.fails(t, op(imagecall.OpUntag, "two:1", "localhost/foo:bar"), imagecall.FailOther, "localhost/foo:bar: tag not known")
	tl.fails(t, op(imagecall.OpTag, "none", "x"), imagecall.FailNotFound, "none: image not known")
	tl.fails(t, op(imagecall.OpTag, "two:1", "Upper"), imagecall.FailUsage, "repository name must be lowercase")
	tl.fails(t, op(imagecall.OpTag, "two:1", "x@sha256:"+strings.Repeat("0", 64)), imagecall.FailOther, "digest")
	tl.must(t, op(imagecall.OpUntag, b.ID()))
	if got := tl.lookup(t, b.ID()); len(got.Names) != 0 {
		t.Errorf("names: got %v, want none", got.Names)
	}
}

func TestRemoveByNameAndID(t *testing.T) {
	tl := newTool(t)
	b := tl.loaded(t, simple(t, "gzip"), "one:1", "one:2")
	if got := removed(tl.must(t, rmi("one:1"))); got != "-docker.io/library/one:1" {
		t.Errorf("by name: got %q", got)
	}
	tl.must(t, imagecall.Request{Op: imagecall.OpTag, Images: []string{"one:2", "x"}})
	tl.fails(t, rmi(b.ID()[:10]), imagecall.FailOther, "more than one tag")
	req := rmi(b.ID()[:10], "nothing")
	req.Force = true
	if got := removed(tl.must(t, req)); !strings.HasSuffix(got, "- "+b.ID()) && !strings.Contains(got, b.ID()) {
		t.Errorf("by id with force: got %q", got)
	}
	tl.empty(t)
	tl.fails(t, rmi("one:2"), imagecall.FailNotFound, "one:2: image not known")
	ignore := rmi("one:2")
	ignore.Ignore = true
	tl.must(t, ignore)
}

func TestRemoveRefusesImagesInUse(t *testing.T) {
	tl := newTool(t)
	b := tl.loaded(t, simple(t, "gzip"), "one:1", "one:2")
	cid := tl.container(t, b.ID())
	tl.must(t, rmi("one:2")) // another name is left
	tl.fails(t, rmi("one:1"), imagecall.FailInUse, "image used by "+cid+": image is in use by a container")
	force := rmi("one:1")
	force.Force = true
	tl.fails(t, force, imagecall.FailInUse, cid)
	tl.fails(t, imagecall.Request{Op: imagecall.OpRemove, All: true}, imagecall.FailInUse, cid)
	tl.lookup(t, "one:1")
	if err := os.RemoveAll(tl.roots.Container(cid).Data); err != nil {
		t.Fatal(err)
	}
	tl.must(t, rmi("one:1"))
	tl.empty(t)
}

func TestRemoveParentsAndChildren(t *testing.T) {
	tl := newTool(t)
	parent := tl.loaded(t, simple(t, "gzip"), "parent:1")
	child := tl.loaded(t, simple(t, "gzip", "gzip"), "child:1")
	if got := removed(tl.must(t, rmi("parent:1"))); got != "-docker.io/library/parent:1" {
		t.Errorf("a parent with a child: got %q, want it untagged only", got)
	}
	tl.loaded(t, simple(t, "gzip"), "parent:1")
	tl.must(t, imagecall.Request{Op: imagecall.OpUntag, Images: []string{"parent:1"}})
	if got := removed(tl.must(t, rmi("child:1"))); !strings.Contains(got, child.ID()) || !strings.Contains(got, parent.ID()) {
		t.Errorf("got %q, want the child and its untagged parent", got)
	}
	tl.empty(t)
	tl.loaded(t, simple(t, "gzip"))
	tl.loaded(t, simple(t, "gzip", "gzip"), "child:1")
	noPrune := rmi("child:1")
	noPrune.NoPrune = true
	tl.must(t, noPrune)
	tl.lookup(t, parent.ID())
	if got := removed(tl.must(t, imagecall.Request{Op: imagecall.OpRemove, Dangling: true})); !strings.Contains(got, parent.ID()) {
		t.Errorf("dangling: got %q", got)
	}
	tl.empty(t)
}

func TestSyncRepairsBothDirections(t *testing.T) {
	tl := newTool(t)
	b := tl.loaded(t, simple(t, "gzip"), "one:1")
	sync := imagecall.Request{Op: imagecall.OpSync}
	name := "docker.io/library/one:1"
	added := tl.lookup(t, name).Added
	ghost := tl.roots.Image(strings.Repeat("f", 64))
	for what, damage := range map[string]func() error{
		"no record":       func() error { return os.Remove(tl.roots.Image(b.ID())) },
		"empty record":    func() error { return os.WriteFile(tl.roots.Image(b.ID()), nil, 0o600) },
		"no index":        func() error { return os.Remove(layer.IndexFile(tl.roots, name)) },
		"wrong index":     func() error { return os.WriteFile(layer.IndexFile(tl.roots, name), []byte("nonsense"), 0o600) },
		"empty index":     func() error { return os.WriteFile(layer.IndexFile(tl.roots, name), nil, 0o600) },
		"index too many":  func() error { return os.WriteFile(layer.IndexFile(tl.roots, "a/b:1"), []byte(b.ID()), 0o600) },
		"record too many": func() error { return os.WriteFile(ghost, []byte(`{"version":1}`), 0o600) },
		"half written":    func() error { return os.WriteFile(tl.roots.Image(b.ID())+".tmp12-1", []byte("{"), 0o600) },
		"link to no layer": func() error {
			return os.Symlink("../gone/diff", filepath.Join(tl.roots.Storage(), "overlay", "l", "GONE"))
		},
		"spool left": func() error { return os.MkdirAll(filepath.Join(tl.roots.Spool(), "old", "blobs"), 0o700) },
	} {
		t.Run(what, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			tl.must(t, sync)
			rec, full, err := tl.images.Lookup("one:1")
			if err != nil || rec.ID != b.ID() || full != name {
				t.Errorf("got %v, %q, %v", rec, full, err)
			}
			if entries, _ := os.ReadDir(tl.roots.ImageNames()); len(entries) != 1 {
				t.Errorf("index: got %v, want one name", entries)
			}
			if left, _ := filepath.Glob(tl.roots.Images() + "/*.json*"); len(left) != 1 {
				t.Errorf("records: got %v, want one", left)
			}
			if links, _ := os.ReadDir(filepath.Join(tl.roots.Storage(), "overlay", "l")); len(links) != len(rec.Layers) {
				t.Errorf("links: got %v, want one for each of %d layers", links, len(rec.Layers))
			}
			if spools, _ := os.ReadDir(tl.roots.Spool()); len(spools) > 0 {
				t.Errorf("spools: got %v, want none", spools)
			}
		})
	}
	if got := tl.lookup(t, name).Added; got.Sub(added).Abs().Seconds() > 5 {
		t.Errorf("added: got %v, was %v", got, added)
	}
}
