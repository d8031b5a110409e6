package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
)

func TestCommit(t *testing.T) {
	tl := newTool(t)
	base := tl.loaded(t, simple(t, "gzip"), "localhost/base:1")
	was := tl.lookup(t, base.ID())
	upper := t.TempDir()
	write(t, filepath.Join(upper, "new"), "content")
	if err := os.Mkdir(filepath.Join(upper, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(upper, "gone"), unix.S_IFCHR, 0); err != nil {
		t.Skip("whiteouts cannot be made here: ", err)
	}
	from := &imagecall.Commit{
		Container: "c", Base: base.ID(), Upper: upper, Author: "me",
		Env: []string{"A=b"}, Cmd: []string{"run", "it"}, WorkingDir: "/w", Labels: map[string]string{"k": "v"},
	}
	for _, c := range []struct{ format, manifest, comment string }{
		{"oci", "application/vnd.oci.image.manifest.v1+json", ""},
		{"docker", "application/vnd.docker.distribution.manifest.v2+json", "why"},
	} {
		t.Run(c.format, func(t *testing.T) {
			res := tl.must(t, imagecall.Request{
				Op: imagecall.OpCommit, Images: []string{"made:" + c.format}, Format: c.format, Message: c.comment,
				Changes: []string{"ENV C=d", "EXPOSE 80"}, Commit: from,
			})
			rec := tl.lookup(t, "localhost/made:"+c.format)
			if rec.ID != res.Images[0].ID || rec.ManifestType != c.manifest || rec.Author != "me" || rec.Comment != c.comment {
				t.Errorf("got %+v", rec)
			}
			if len(rec.Layers) != len(was.Layers)+1 || !slices.Equal(rec.Layers[:len(was.Layers)], was.Layers) {
				t.Fatalf("layers: got %v on %v", rec.Layers, was.Layers)
			}
			if len(rec.History) != len(was.History)+1 || len(rec.DiffIDs) != len(was.DiffIDs)+1 {
				t.Errorf("got %d steps and %d digests", len(rec.History), len(rec.DiffIDs))
			}
			if !slices.Equal(rec.Config.Env, []string{"A=b", "C=d"}) || !slices.Equal(rec.Config.Cmd, from.Cmd) || !slices.Equal(rec.Config.ExposedPorts, []string{"80/tcp"}) {
				t.Errorf("got %+v", rec.Config)
			}
			top := rec.Layers[len(rec.Layers)-1]
			if b, err := os.ReadFile(filepath.Join(top, "new")); err != nil || string(b) != "content" {
				t.Errorf("content: %q, %v", b, err)
			}
			if st, err := os.Lstat(filepath.Join(top, "gone")); err != nil || st.Mode()&os.ModeCharDevice == 0 {
				t.Errorf("the whiteout: %v, %v", st, err)
			}
			// The image is whole: another store takes it.
			out, to := filepath.Join(t.TempDir(), "out"), newTool(t)
			tl.must(t, imagecall.Request{Op: imagecall.OpSave, Format: "oci-archive", Images: []string{rec.ID}, Output: out})
			got := to.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: out})
			if moved := to.lookup(t, got.Images[0].ID); !slices.Equal(moved.DiffIDs, rec.DiffIDs) {
				t.Errorf("moved: got %v, want %v", moved.DiffIDs, rec.DiffIDs)
			}
		})
	}
	tl.fails(t, imagecall.Request{Op: imagecall.OpCommit, Commit: from, Changes: []string{"FROM x"}}, imagecall.FailOther, "not supported")
	tl.fails(t, imagecall.Request{Op: imagecall.OpCommit}, imagecall.FailOther, "no container")
	bad := *from
	bad.Upper = filepath.Join(upper, "none")
	tl.fails(t, imagecall.Request{Op: imagecall.OpCommit, Commit: &bad}, imagecall.FailOther, "no such file")
	want := len(was.Layers) + 1 // both commits made the same one
	if links, err := os.ReadDir(filepath.Join(tl.roots.Storage(), "overlay", "l")); err != nil || len(links) != want {
		t.Errorf("there are %d layers, want %d: %v", len(links), want, err)
	}
}
