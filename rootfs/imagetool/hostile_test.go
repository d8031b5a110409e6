package main

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	registry "skiff/tests/registry"
)

func entry(kind byte, name, link string) registry.File {
	return registry.File{Header: tar.Header{Typeflag: kind, Name: name, Linkname: link}}
}

// hostile are layers that try to reach what is outside of them. $OUT stands for
// a directory of the host, which has the file secret.
func hostile() map[string][]registry.File {
	return map[string][]registry.File{
		"parent":                   {file("../escaped", "x")},
		"deep parent":              {file("a/b/../../../../../../../../../../tmp/skiff-escaped", "x")},
		"out by name":              {file("../../../../../../../../../..$OUT/escaped", "x")},
		"hard link to a parent":    {entry(tar.TypeLink, "stolen", "../../../../../../../../../..$OUT/secret")},
		"whiteout of the parent":   {file("a/.wh...", "")},
		"whiteout of itself":       {file("a/.wh..", "")},
		"whiteout of nothing":      {file("a/.wh.", "")},
		"whiteout outside":         {file("../../../../../../../../../..$OUT/.wh.secret", "")},
		"opaque outside":           {file("../../../../../../../../../..$OUT/.wh..wh..opq", "")},
		"directory outside":        {entry(tar.TypeDir, "../../../../../../../../../..$OUT/dir", "")},
		"long name outside":        {file(strings.Repeat("d/../", 60)+"../../../../../../../../../..$OUT/escaped", "x")},
		"whiteout of parent, long": {file(strings.Repeat("long-directory-name/", 12)+".wh...", "")},
	}
}

// contained are layers that look alike and are harmless: all they name is
// inside, so they are taken, and the host is as it was.
func contained() map[string][]registry.File {
	return map[string][]registry.File{
		"absolute name":                {file("$OUT/escaped", "x")},
		"absolute symlink":             {entry(tar.TypeSymlink, "etc", "$OUT"), file("etc/escaped", "x")},
		"relative symlink":             {entry(tar.TypeSymlink, "up", "../../../../../../../../../..$OUT"), file("up/escaped", "x")},
		"symlink to a symlink":         {entry(tar.TypeSymlink, "a", "$OUT"), entry(tar.TypeSymlink, "b", "a/"), file("b/escaped", "x")},
		"directory through a symlink":  {entry(tar.TypeSymlink, "up", "$OUT"), entry(tar.TypeDir, "up/dir", "")},
		"whiteout through a symlink":   {entry(tar.TypeSymlink, "up", "$OUT"), file("up/.wh.secret", "")},
		"opaque through a symlink":     {entry(tar.TypeSymlink, "up", "$OUT"), file("up/.wh..wh..opq", "")},
		"replaces a symlink by a file": {entry(tar.TypeSymlink, "up", "$OUT/secret"), file("up", "x")},
		"dots within":                  {entry(tar.TypeDir, "a", ""), file("a/../b", "x"), file("..c", "x")},
	}
}

func TestHostileLayersAreRefused(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	for name, files := range hostile() {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			b := h.image(t, files)
			h.check(t, func() {
				res := tl.call(t, imagecall.Request{Op: imagecall.OpLoad, Input: write(t, filepath.Join(t.TempDir(), "a.tar"), string(b.DockerArchive(t, "evil:1")))})
				if len(res.Failures) != 1 {
					t.Errorf("load: got %+v, want a refusal", res)
				} else {
					t.Log(res.Failures[0].Message)
				}
				tl.empty(t)
			})
			srv.Push(t, "evil", "1", b)
			h.check(t, func() {
				res := tl.call(t, pullOf(srv.Host+"/evil:1"))
				if len(res.Failures) != 1 {
					t.Errorf("pull: got %+v, want a refusal", res)
				}
				tl.empty(t)
			})
			h.check(t, func() {
				res := tl.call(t, imagecall.Request{Op: imagecall.OpImport, Images: []string{"evil"}, Input: write(t, filepath.Join(t.TempDir(), "a.tar"), string(b.Image.Layers[1].Tar))})
				if len(res.Failures) != 1 {
					t.Errorf("import: got %+v, want a refusal", res)
				}
				tl.empty(t)
			})
		})
	}
}

func TestHarmlessLayersStayInside(t *testing.T) {
	tl := newTool(t)
	for name, files := range contained() {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			b := h.image(t, files)
			h.check(t, func() {
				res := tl.call(t, imagecall.Request{Op: imagecall.OpLoad, Input: write(t, filepath.Join(t.TempDir(), "a.tar"), string(b.DockerArchive(t, "odd:1")))})
				if len(res.Failures) > 0 {
					t.Log("refused:", res.Failures[0].Message)
				}
				tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
				tl.empty(t)
			})
		})
	}
}

func TestDeviceNodesStayInTheLayer(t *testing.T) {
	tl := newTool(t)
	h := newHost(t)
	dev := registry.File{Header: tar.Header{Typeflag: tar.TypeChar, Name: "up/null", Devmajor: 1, Devminor: 3}}
	b := h.image(t, []registry.File{entry(tar.TypeSymlink, "up", "$OUT"), dev})
	h.check(t, func() {
		tl.call(t, imagecall.Request{Op: imagecall.OpLoad, Input: write(t, filepath.Join(t.TempDir(), "a.tar"), string(b.DockerArchive(t, "dev:1")))})
	})
}

func TestHostileArchivesAreRefused(t *testing.T) {
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	index := `{"schemaVersion":2,"manifests":[{"mediaType":"` + b.Type + `","digest":"` + registry.Digest(b.Manifest) + `","size":` + "1" + `}]}`
	for name, files := range map[string][]registry.File{
		"index is a symlink":       {entry(tar.TypeSymlink, "index.json", "$OUT/secret")},
		"index is a hard link":     {entry(tar.TypeLink, "index.json", "$OUT/secret")},
		"blob is a symlink":        {file("index.json", index), entry(tar.TypeSymlink, "blobs/sha256/"+b.ID(), "$OUT/secret")},
		"blobs is a symlink":       {entry(tar.TypeSymlink, "blobs", "$OUT"), file("index.json", index)},
		"blob outside":             {file("index.json", index), file("blobs/../../../../../../../../../..$OUT/escaped", "x")},
		"index twice":              {file("index.json", index), file("index.json", index)},
		"no image":                 {file("index.json", `{"schemaVersion":2,"manifests":[]}`)},
		"index is no json":         {file("index.json", "nonsense")},
		"docker config is outside": {file("manifest.json", `[{"Config":"../../..$OUT/secret","Layers":[]}]`)},
		"docker layer is a link":   {entry(tar.TypeSymlink, "l.tar", "$OUT/secret"), file("c.json", "{}"), file("manifest.json", `[{"Config":"c.json","Layers":["l.tar"]}]`)},
		"docker manifest is null":  {file("manifest.json", "null")},
		"empty":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			path := write(t, filepath.Join(t.TempDir(), "a.tar"), string(registry.Tar(t, h.place(files)...)))
			h.check(t, func() {
				res := tl.call(t, imagecall.Request{Op: imagecall.OpLoad, Input: path})
				if len(res.Failures) != 1 || strings.Contains(res.Failures[0].Message, "\n") {
					t.Errorf("got %+v, want one failure", res)
				} else {
					t.Log(res.Failures[0].Message)
				}
				tl.empty(t)
			})
		})
	}
}

// host is a directory that nothing may touch.
type host struct{ out string }

func newHost(t *testing.T) *host {
	h := &host{t.TempDir()}
	write(t, filepath.Join(h.out, "secret"), "secret")
	return h
}

func (h *host) place(files []registry.File) []registry.File {
	placed := make([]registry.File, len(files))
	for i, f := range files {
		f.Name = strings.ReplaceAll(f.Name, "$OUT", h.out)
		f.Linkname = strings.ReplaceAll(f.Linkname, "$OUT", h.out)
		f.Content = strings.ReplaceAll(f.Content, "$OUT", h.out)
		placed[i] = f
	}
	return placed
}

// image has the files in its second layer.
func (h *host) image(t *testing.T, files []registry.File) *registry.Built {
	img := registry.Image{Docker: true, Layers: []registry.Layer{
		{Tar: registry.Tar(t, file("base", t.Name())), Compression: "gzip"},
		{Tar: registry.Tar(t, h.place(files)...), Compression: "gzip"},
	}}
	return img.Build(t)
}

// check asserts that do changes nothing in the directory, and makes no file
// with a name of ours in the places where an escape would end.
func (h *host) check(t *testing.T, do func()) {
	t.Helper()
	before := h.list(t)
	do()
	if after := h.list(t); after != before {
		t.Errorf("the host was changed:\nbefore: %s\nafter:  %s", before, after)
	}
	for _, p := range []string{"/tmp/skiff-escaped", "/escaped", "/stolen"} {
		if _, err := os.Lstat(p); err == nil {
			t.Errorf("%s was made", p)
			os.Remove(p)
		}
	}
}

func (h *host) list(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(h.out, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if st.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text = string(b)
		}
		all = append(all, p+" "+st.Mode().String()+" "+st.ModTime().String()+" "+text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(all)
	return strings.Join(all, "; ")
}
