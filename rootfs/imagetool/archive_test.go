package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"skiff/rootfs/archive"
	"skiff/rootfs/imagecall"
	registry "skiff/tests/registry"
)

func TestSaveAndLoadOfEachFormat(t *testing.T) {
	for _, format := range []string{archive.DockerArchive, archive.OCIArchive, archive.OCIDir, archive.DockerDir} {
		t.Run(format, func(t *testing.T) {
			from, to := newTool(t), newTool(t)
			b := from.loaded(t, simple(t, "gzip", "gzip"), "registry.example/a/b:1")
			out := filepath.Join(t.TempDir(), "out")
			from.must(t, imagecall.Request{Op: imagecall.OpSave, Format: format, Images: []string{"a/b:1"}, Output: out})
			if left, _ := filepath.Glob(out + "*"); len(left) != 1 {
				t.Errorf("files: got %v", left)
			}
			res := to.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: out})
			name := "registry.example/a/b:1"
			if format == archive.DockerDir {
				name = "" // that format has none
			}
			if len(res.Images) != 1 || res.Images[0].Name != name {
				t.Fatalf("got %+v, want %q", res.Images, name)
			}
			// A configuration of Docker's format is written anew in the OCI's.
			if strings.HasPrefix(format, "docker") && res.Images[0].ID != b.ID() {
				t.Errorf("got %s, want %s", res.Images[0].ID, b.ID())
			}
			was, is := from.lookup(t, b.ID()), to.lookup(t, res.Images[0].ID)
			if !reflect.DeepEqual(was.DiffIDs, is.DiffIDs) || !reflect.DeepEqual(was.Config, is.Config) || !reflect.DeepEqual(was.History, is.History) {
				t.Errorf("got %+v, want %+v", is, was)
			}
		})
	}
}

func TestSaveOfSeveralImages(t *testing.T) {
	for _, format := range []string{archive.DockerArchive, archive.OCIArchive} {
		t.Run(format, func(t *testing.T) {
			from, to := newTool(t), newTool(t)
			from.loaded(t, simple(t, "gzip"), "one:1", "one:2")
			two := from.loaded(t, simple(t, "gzip", "gzip"), "two:1")
			out := filepath.Join(t.TempDir(), "out.tar")
			from.must(t, imagecall.Request{Op: imagecall.OpSave, Format: format, Images: []string{"one:1", two.ID(), "one:2"}, Output: out})
			to.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: out})
			if got := strings.Join(to.lookup(t, "one:1").Names, " "); !strings.Contains(got, "one:1") || !strings.Contains(got, "one:2") {
				t.Errorf("names: got %q", got)
			}
			images, err := to.images.List()
			if err != nil || len(images) != 2 {
				t.Fatalf("got %d images, %v", len(images), err)
			}
			for _, rec := range images {
				if len(rec.DiffIDs) == 2 && len(rec.Names) != 0 {
					t.Errorf("saved by id: got the names %v", rec.Names)
				}
			}
		})
	}
	tl := newTool(t)
	tl.loaded(t, simple(t, "gzip"), "one:1")
	out := filepath.Join(t.TempDir(), "x")
	save := func(format, image string) imagecall.Request {
		return imagecall.Request{Op: imagecall.OpSave, Format: format, Images: []string{image}, Output: out}
	}
	tl.fails(t, save("docker-archive", "nope"), imagecall.FailNotFound, "nope: image not known")
	tl.fails(t, save("floppy", "one:1"), imagecall.FailOther, `unknown format "floppy"`)
	out = "/dev/full"
	tl.fails(t, save("oci-archive", "one:1"), imagecall.FailOther, "no space left on device")
	out = filepath.Join(t.TempDir(), "missing", "x")
	tl.fails(t, save("oci-archive", "one:1"), imagecall.FailOther, "no such file or directory")
}

func TestLoadOfCompressedArchives(t *testing.T) {
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	plain := b.DockerArchive(t, "localhost/c:1")
	compressors := map[string]func(io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	}
	for name, compressor := range compressors {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			w, err := compressor(&buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			tl.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: write(t, filepath.Join(t.TempDir(), "a"), buf.String())})
			if got := tl.lookup(t, "localhost/c:1"); got.ID != b.ID() {
				t.Errorf("got %s", got.ID)
			}
			tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
		})
	}
}

func TestPipes(t *testing.T) {
	from, to := newTool(t), newTool(t)
	from.loaded(t, simple(t, "gzip"), "localhost/p:1")
	for _, format := range []string{archive.DockerArchive, archive.OCIArchive} {
		t.Run(format, func(t *testing.T) {
			saved, loaded := pipe(t), pipe(t)
			save := from.started(t, imagecall.Request{Op: imagecall.OpSave, Format: format, Images: []string{"p:1"}}, func(c *exec.Cmd) { c.Stdout = saved[1] })
			load := to.started(t, imagecall.Request{Op: imagecall.OpLoad, Input: "-"}, func(c *exec.Cmd) { c.Stdin = loaded[0] })
			saved[1].Close()
			loaded[0].Close()
			if _, err := io.Copy(loaded[1], saved[0]); err != nil {
				t.Fatal(err)
			}
			loaded[1].Close()
			if res := save.result(t); len(res.Failures) > 0 {
				t.Fatal(res.Failures)
			}
			if res := load.result(t); len(res.Failures) > 0 || res.Images[0].Name != "localhost/p:1" {
				t.Fatalf("got %+v", res)
			}
			to.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
		})
	}
}

func TestArchivesOfOthers(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	srv := registry.Start(t, registry.Options{})
	b := simple(t, "gzip", "gzip").Build(t)
	srv.Push(t, "o", "1", b)
	dir := t.TempDir()
	for _, c := range []struct{ dest, file, name string }{
		{"oci-archive:" + dir + "/a.tar:short:2", "a.tar", "localhost/short:2"},
		{"oci:" + dir + "/lay:quay.example/x/y:3", "lay", "quay.example/x/y:3"},
		{"docker-archive:" + dir + "/d.tar:busy:4", "d.tar", "docker.io/library/busy:4"},
		{"dir:" + dir + "/dir", "dir", ""},
	} {
		if out, err := exec.Command("skopeo", "copy", "--src-tls-verify=false", "--insecure-policy", "docker://"+srv.Host+"/o:1", c.dest).CombinedOutput(); err != nil {
			t.Fatalf("skopeo copy to %s: %v: %s", c.dest, err, out)
		}
		tl := newTool(t)
		res := tl.must(t, imagecall.Request{Op: imagecall.OpLoad, Input: filepath.Join(dir, c.file)})
		if len(res.Images) != 1 || res.Images[0].Name != c.name || res.Images[0].ID != b.ID() {
			t.Errorf("%s: got %+v, want %q", c.dest, res.Images, c.name)
		}
		res = tl.must(t, pullOf(strings.TrimSuffix(c.dest, ":")))
		if len(res.Images) != 1 || res.Images[0].ID != b.ID() {
			t.Errorf("pull of %s: got %+v", c.dest, res.Images)
		}
	}
}

func TestImport(t *testing.T) {
	tl := newTool(t)
	tree := registry.Tar(t, registry.File{Header: tar.Header{Typeflag: tar.TypeDir, Name: "bin/"}}, file("bin/x", "x"))
	path := write(t, filepath.Join(t.TempDir(), "tree.tar"), string(tree))
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	defer web.Close()
	for _, input := range []string{path, web.URL + "/tree.tar"} {
		res := tl.must(t, imagecall.Request{
			Op: imagecall.OpImport, Input: input, Images: []string{"made:1"}, Message: "a message",
			Changes: []string{`CMD ["/bin/x","y z"]`, "ENTRYPOINT run it", `ENV A=b C="d e"`, "LABEL k=v", "EXPOSE 80 53/udp", "USER me", "VOLUME /data", "WORKDIR /w", "WORKDIR sub", "STOPSIGNAL SIGINT"},
		})
		rec := tl.lookup(t, "made:1")
		if rec.ID != res.Images[0].ID || rec.Names[0] != "localhost/made:1" {
			t.Errorf("got %+v", rec)
		}
		got, _ := json.Marshal(rec.Config)
		want := `{"user":"me","env":["A=b","C=d e"],"entrypoint":["/bin/sh","-c","run it"],"cmd":["/bin/x","y z"],"workingDir":"/w/sub","labels":{"k":"v"},"exposedPorts":["53/udp","80/tcp"],"volumes":["/data"],"stopSignal":"SIGINT"}`
		if string(got) != want {
			t.Errorf("config:\ngot  %s\nwant %s", got, want)
		}
		if rec.History[0].Comment != "a message" || rec.DiffIDs[0] != registry.Digest(tree) || rec.Size != int64(len(tree)) {
			t.Errorf("got %+v", rec)
		}
		if b, err := os.ReadFile(filepath.Join(rec.Layers[0], "bin/x")); err != nil || string(b) != "x" {
			t.Errorf("content: %q, %v", b, err)
		}
	}
	out := filepath.Join(t.TempDir(), "o.tar")
	tl.must(t, imagecall.Request{Op: imagecall.OpSave, Images: []string{"made:1"}, Output: out})
	for change, text := range map[string]string{"FROM x": "not supported", "EXPOSE 99999": "not a port", "ENV": "INSTRUCTION VALUE", `ENV A="b`: "quote"} {
		tl.fails(t, imagecall.Request{Op: imagecall.OpImport, Input: path, Changes: []string{change}}, imagecall.FailOther, text)
	}
	tl.fails(t, imagecall.Request{Op: imagecall.OpImport, Input: web.URL + "/none"}, imagecall.FailOther, "404")
	tl.fails(t, imagecall.Request{Op: imagecall.OpImport, Input: "/none"}, imagecall.FailOther, "no such file")
}
