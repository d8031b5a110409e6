package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/store"
	registry "skiff/tests/registry"
)

// indexCall is a request about a list.
func indexCall(x imagecall.Index, images ...string) imagecall.Request {
	return imagecall.Request{Op: imagecall.OpIndex, Index: &x, Images: images}
}

// sent is what an index at a registry says.
type sent struct {
	MediaType   string            `json:"mediaType"`
	Annotations map[string]string `json:"annotations"`
	Manifests   []struct {
		MediaType    string            `json:"mediaType"`
		Digest       string            `json:"digest"`
		Annotations  map[string]string `json:"annotations"`
		ArtifactType string            `json:"artifactType"`
		Platform     struct{ OS, Architecture, Variant string }
	} `json:"manifests"`
	Layers []struct{ Digest, MediaType string }
}

// fetched reads a manifest at the registry.
func fetched(t *testing.T, srv *registry.Server, repository, tag string) (m sent) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+srv.Host+"/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Accept"] = []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s:%s: %s: %s", repository, tag, resp.Status, text)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// platforms are those of an index, in order.
func (m sent) platforms() string {
	var all []string
	for _, i := range m.Manifests {
		all = append(all, strings.TrimSuffix(i.Platform.OS+"/"+i.Platform.Architecture+"/"+i.Platform.Variant, "/"))
	}
	return strings.Join(all, " ")
}

// two puts images for two platforms into the store.
func (tl *tool) two(t *testing.T) (amd, arm *registry.Built) {
	t.Helper()
	other := simple(t, "gzip", "gzip")
	other.Architecture = "arm64"
	return tl.loaded(t, simple(t, "gzip"), "localhost/app:amd64"), tl.loaded(t, other, "localhost/app:arm64")
}

func TestListOfLocalImages(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	amd, arm := tl.two(t)
	id := tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list", "app:amd64")).Images[0].ID
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexAdd, Variant: "v8", Annotations: map[string]string{"a": "b"}}, "list", "app:arm64"))
	rec := tl.lookup(t, "list")
	if rec.ID != id || rec.Index == nil || len(rec.Index.Instances) != 2 || len(rec.Layers) != 0 || rec.Names[0] != "localhost/list:latest" {
		t.Fatalf("got %+v", rec)
	}
	if in := rec.Index.Instances[1]; in.Architecture != "arm64" || in.Variant != "v8" || in.Source != "" {
		t.Errorf("got %+v", in)
	}
	for platform, want := range map[string]*registry.Built{"linux/amd64": amd, "linux/arm64": arm, "arm64/v8": nil} {
		p, err := layer.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		img, full, err := tl.images.LookupImage("list", p)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "no image for the platform arm64/v8") {
				t.Errorf("%s: got %+v, %v", platform, img, err)
			}
		} else if err != nil || img.ID != want.ID() || full != "localhost/list:latest" {
			t.Errorf("%s: got %+v, %q, %v", platform, img, full, err)
		}
	}
	digest := tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexPush, All: true}, "list", srv.Host+"/list:1")).Images[0].Digest
	m := fetched(t, srv, "list", digest)
	if m.platforms() != "linux/amd64 linux/arm64/v8" || m.Manifests[1].Annotations["a"] != "b" || !strings.Contains(m.MediaType, "oci.image.index") {
		t.Errorf("got %+v", m)
	}
	// A plain push sends the same.
	if got := tl.must(t, imagecall.Request{Op: imagecall.OpPush, Images: []string{"list", srv.Host + "/list:2"}}).Images[0].Digest; got != digest {
		t.Errorf("push: got %s, want %s", got, digest)
	}
	back := newTool(t)
	for platform, want := range map[string]string{"linux/amd64": amd.ID(), "linux/arm64": arm.ID()} {
		req := pullOf(srv.Host + "/list:1")
		req.Platform = platform
		if got := back.must(t, req).Images[0].ID; got != want {
			t.Errorf("pull for %s: got %s, want %s", platform, got, want)
		}
	}
}

func TestListOfRemoteImages(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	amd, arm := simple(t, "gzip"), simple(t, "gzip", "gzip")
	arm.Architecture = "arm64"
	amdB, armB := amd.Build(t), arm.Build(t)
	srv.PushIndex(t, "team/src", "1", amdB, armB)
	from := srv.Host + "/team/src:1"
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "here", from))
	if rec := tl.lookup(t, "here"); len(rec.Index.Instances) != 1 || rec.Index.Instances[0].Architecture != "amd64" {
		t.Errorf("without --all: got %+v", rec.Index)
	}
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexAdd, Architecture: "arm64", OS: "linux"}, "here", "docker://"+from))
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate, All: true}, "all", from))
	for _, name := range []string{"here", "all"} {
		in := tl.lookup(t, name).Index.Instances
		if len(in) != 2 || in[1].Digest != registry.Digest(armB.Manifest) || in[1].Source != "docker://"+srv.Host+"/team/src@"+in[1].Digest {
			t.Errorf("%s: got %+v", name, in)
		}
	}
	if images, _ := tl.images.List(); len(images) != 2 {
		t.Errorf("got %d images, want the two lists only", len(images))
	}
	// The images go from one repository to the other.
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexPush, All: true, Remove: true}, "all", srv.Host+"/other/dst:1"))
	if m := fetched(t, srv, "other/dst", "1"); m.Manifests[0].Digest != registry.Digest(amdB.Manifest) || m.platforms() != "linux/amd64 linux/arm64" {
		t.Errorf("got %+v", m)
	}
	fetched(t, srv, "other/dst", registry.Digest(armB.Manifest))
	if _, _, err := tl.images.Lookup("all"); err == nil {
		t.Error("the list is still here after push --rm")
	}
	// What a list says is elsewhere is pulled from there.
	req := pullOf("localhost/here")
	req.Policy, req.Platform = "missing", "linux/arm64"
	if got := tl.must(t, req).Images[0].ID; got != armB.ID() {
		t.Errorf("pull by the list: got %s, want %s", got, armB.ID())
	}
	if rec, err := tl.baseImage(t, "here", "linux/arm64", "never"); err != nil || rec.ID != armB.ID() {
		t.Errorf("base image: got %+v, %v", rec, err)
	}
}

func TestNamesOfLists(t *testing.T) {
	tl := newTool(t)
	amd, _ := tl.two(t)
	do := func(what string, images ...string) imagecall.Request {
		return indexCall(imagecall.Index{Do: what}, images...)
	}
	tl.must(t, do(imagecall.IndexCreate, "list"))
	tl.fails(t, do(imagecall.IndexCreate, "list"), imagecall.FailOther, "that name is already in use")
	tl.fails(t, do(imagecall.IndexCreate, "app:amd64"), imagecall.FailOther, "that name is already in use")
	tl.fails(t, do(imagecall.IndexCreate, "UPPER"), imagecall.FailUsage, "lowercase")
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate, Amend: true}, "list", "app:amd64"))
	tl.fails(t, do(imagecall.IndexAdd, "app:amd64", "app:arm64"), imagecall.FailOther, "localhost/app:amd64: image is not a manifest list")
	tl.fails(t, do(imagecall.IndexAdd, "none", "app:arm64"), imagecall.FailNotFound, "none: image not known")
	tl.fails(t, do(imagecall.IndexAdd, "list", "localhost/none"), imagecall.FailNotFound, "none: image not known")
	tl.fails(t, do(imagecall.IndexRemove, "app:amd64"), imagecall.FailOther, "image is not a manifest list")
	tl.fails(t, do(imagecall.IndexDrop, "list", "sha256:"+strings.Repeat("0", 64)), imagecall.FailOther, "no instance matching digest")
	tl.fails(t, do(imagecall.IndexDrop, "list", "xx"), imagecall.FailOther, `invalid image digest "xx"`)
	tl.must(t, imagecall.Request{Op: imagecall.OpTag, Images: []string{"list", "second"}})
	if got := removed(tl.must(t, rmi("list"))); got != "-localhost/list:latest" {
		t.Errorf("rmi of one of two names: got %q", got)
	}
	// An image that a list has goes away as any other, and comes back into it.
	tl.must(t, rmi("app:amd64"))
	p := layer.Platform{OS: "linux", Architecture: "amd64"}
	if _, _, err := tl.images.LookupImage("second", p); err == nil {
		t.Error("the list gives an image that is gone")
	}
	tl.fails(t, indexCall(imagecall.Index{Do: imagecall.IndexPush, All: true}, "second", "oci:"+t.TempDir()+"/o:x"), imagecall.FailOther, "is not here any more")
	tl.loaded(t, simple(t, "gzip"), "localhost/app:amd64")
	if img, _, err := tl.images.LookupImage("second", p); err != nil || img.ID != amd.ID() {
		t.Errorf("got %+v, %v", img, err)
	}
	id := tl.lookup(t, "second").ID
	if got := removed(tl.must(t, do(imagecall.IndexRemove, "second"))); got != "-localhost/second:latest; - "+id {
		t.Errorf("manifest rm: got %q", got)
	}
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
	tl.empty(t)
}

// Without a name an image that a list has is not left over.
func TestListsHoldTheirImages(t *testing.T) {
	tl := newTool(t)
	amd, arm := tl.two(t)
	st, err := store.Open(store.Options{Roots: tl.roots})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rec, err := st.CreateIndex(ctx, []string{"app:amd64", "multi"}, store.Instance{Image: amd.ID()}, store.Instance{Image: arm.ID(), Platform: "linux/arm64/v8"})
	if err != nil || len(rec.Index.Instances) != 2 || rec.Index.Instances[1].Variant != "v8" || len(rec.Names) != 2 {
		t.Fatalf("got %+v, %v", rec, err)
	}
	if got := tl.lookup(t, amd.ID()); len(got.Names) != 0 {
		t.Errorf("the name stayed with the image: %v", got.Names)
	}
	for range 2 {
		if rec, err = st.AddToIndex(ctx, "grown", store.Instance{Image: arm.ID(), Annotations: map[string]string{"k": "v"}}); err != nil || len(rec.Index.Instances) != 1 {
			t.Fatalf("got %+v, %v", rec, err)
		}
	}
	if _, err = st.AddToIndex(ctx, "app:arm64", store.Instance{Image: amd.ID()}); err == nil || !strings.Contains(err.Error(), "not a manifest list") {
		t.Errorf("adding to an image: got %v", err)
	}
	st.Close()
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, Dangling: true})
	tl.lookup(t, amd.ID())
	tl.must(t, rmi("multi", "app:amd64"))
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, Dangling: true})
	if _, err := tl.images.Load(amd.ID()); err == nil {
		t.Error("the image of a list that is gone was not left over")
	}
}

func TestAnnotate(t *testing.T) {
	tl := newTool(t)
	tl.two(t)
	digest := tl.lookup(t, "app:arm64").Digest
	note := func(x imagecall.Index, words ...string) {
		t.Helper()
		x.Do = imagecall.IndexAnnotate
		tl.must(t, indexCall(x, append([]string{"list"}, words...)...))
	}
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list", "app:amd64", "app:arm64"))
	note(imagecall.Index{OS: "plan9", Architecture: "mips", Features: []string{"sse9"}, OSVersion: "4"}, "app:amd64")
	shown := func() string {
		return string(tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexInspect}, "list")).Document)
	}
	if doc, want := shown(), `{"architecture":"mips","os":"plan9","os.version":"4","features":["sse9"]}`; !strings.Contains(doc, want) {
		t.Errorf("got %s, want %s in it", doc, want)
	}
	// From here on it has what only the OCI's index has; that has no features.
	note(imagecall.Index{Variant: "v9", Annotations: map[string]string{"x": "<y>"}}, digest)
	note(imagecall.Index{Whole: true, Annotations: map[string]string{"all": "of it"}, Subject: "localhost/app:amd64"})
	doc := shown()
	for _, want := range []string{`"platform":{"architecture":"mips","os":"plan9","os.version":"4"}`, `"variant":"v9"`, `"all":"of it"`, `"subject":{`} {
		if !strings.Contains(doc, want) {
			t.Errorf("got %s, want %s in it", doc, want)
		}
	}
	rec := tl.lookup(t, "list")
	if rec.Annotations["all"] != "of it" || rec.Index.Instances[0].OS != "plan9" {
		t.Errorf("got %+v", rec)
	}
	tl.fails(t, indexCall(imagecall.Index{Do: imagecall.IndexAnnotate, OS: "x"}, "list", "sha256:"+strings.Repeat("1", 64)), imagecall.FailOther, "no instance")
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexDrop}, "list", digest))
	if rec := tl.lookup(t, "list"); len(rec.Index.Instances) != 1 {
		t.Errorf("got %+v", rec.Index)
	}
}

func TestArtifacts(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	dir := t.TempDir()
	note, other := write(t, filepath.Join(dir, "note.txt"), "hello"), write(t, filepath.Join(dir, "zeroes"), strings.Repeat("\x00", 5000))
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list"))
	add := func(a imagecall.Artifact, files ...string) imagecall.Request {
		return indexCall(imagecall.Index{Do: imagecall.IndexAdd, OS: "linux", Artifact: &a}, append([]string{"list"}, files...)...)
	}
	kind := "application/x-thing"
	tl.must(t, add(imagecall.Artifact{Type: &kind}, note, other))
	tl.must(t, add(imagecall.Artifact{Config: []byte("{ }"), LayerType: "text/x", NoTitles: true}, note))
	tl.fails(t, add(imagecall.Artifact{}, dir), imagecall.FailOther, "is not a regular file")
	tl.fails(t, add(imagecall.Artifact{}, dir+"/none"), imagecall.FailOther, "no such file")
	push := indexCall(imagecall.Index{Do: imagecall.IndexPush, All: true}, "list", srv.Host+"/art:1")
	tl.must(t, push)
	m := fetched(t, srv, "art", "1")
	if len(m.Manifests) != 2 || m.Manifests[0].ArtifactType != kind || m.Manifests[0].Platform.OS != "linux" {
		t.Fatalf("got %+v", m)
	}
	if a := fetched(t, srv, "art", m.Manifests[0].Digest); len(a.Layers) != 2 || a.Layers[0].MediaType != "text/plain" || a.Layers[0].Digest != registry.Digest([]byte("hello")) ||
		a.Layers[1].MediaType != "application/octet-stream" {
		t.Errorf("got %+v", a)
	}
	doc := string(tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexInspect}, "list")).Document)
	if !strings.Contains(doc, `"files":["`+note+`","`+other+`"]`) {
		t.Errorf("got %s", doc)
	}
	write(t, note, "jello")
	srv2 := registry.Start(t, registry.Options{})
	tl.fails(t, indexCall(imagecall.Index{Do: imagecall.IndexPush, All: true}, "list", srv2.Host+"/art:1"), imagecall.FailOther, "Digest did not match")
	os.Remove(note)
	tl.fails(t, push, imagecall.FailOther, "no such file")
}

// A process that dies between two steps leaves what the next one mends.
func TestListsAreMended(t *testing.T) {
	tl := newTool(t)
	tl.two(t)
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list", "app:amd64", "app:arm64"))
	rec := tl.lookup(t, "list")
	sync := imagecall.Request{Op: imagecall.OpSync, All: true}

	// The record was not written.
	os.Remove(tl.roots.Image(rec.ID))
	tl.must(t, sync)
	if got := tl.lookup(t, "list"); got.ID != rec.ID || len(got.Index.Instances) != 2 {
		t.Errorf("got %+v", got)
	}
	// The sources were written, and the index was not.
	dir := filepath.Join(tl.roots.Storage(), "overlay-images", rec.ID)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	// An image was begun: it has no manifest.
	images := filepath.Join(tl.roots.Storage(), "overlay-images", "images.json")
	text, err := os.ReadFile(images)
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Repeat("ab", 32)
	text = []byte(strings.Replace(string(text), "[{", fmt.Sprintf(`[{"id":%q,"names":["localhost/half:latest"],"created":"2024-01-01T00:00:00Z"},{`, half), 1))
	if err := os.WriteFile(images, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tl.must(t, sync)
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "half"))
	if text, err = os.ReadFile(images); err != nil || strings.Contains(string(text), half) {
		t.Errorf("the half image is still there: %v", err)
	}
}

func TestListsAreChangedByOneAtATime(t *testing.T) {
	tl := newTool(t)
	amd, arm := tl.two(t)
	tl.must(t, indexCall(imagecall.Index{Do: imagecall.IndexCreate}, "list"))
	var running []*process
	for _, b := range []*registry.Built{amd, arm} {
		running = append(running, tl.started(t, indexCall(imagecall.Index{Do: imagecall.IndexAdd}, "list", b.ID()), nil))
	}
	for _, p := range running {
		if res := p.result(t); len(res.Failures) > 0 {
			t.Errorf("got %+v", res)
		}
	}
	if rec := tl.lookup(t, "list"); len(rec.Index.Instances) != 2 {
		t.Errorf("one of two changes is lost: %+v", rec.Index)
	}
}
