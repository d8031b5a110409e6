package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"skiff/rootfs/build/layertar"
	"skiff/state/dirs"
)

func TestMain(m *testing.M) {
	if Reexec() {
		return
	}
	os.Exit(m.Run())
}

func root(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the image store needs root")
	}
}

func openStore(t *testing.T, driver string) *Store {
	t.Helper()
	root(t)
	top := t.TempDir()
	s, err := Open(Options{Roots: dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}, Driver: driver})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// must stops the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// upper makes a layer with one of everything that a layer can have.
func upper(t *testing.T, dir, text string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	old := time.Unix(1_000_000_000, 123)
	must(t,
		os.MkdirAll(at("usr/bin"), 0o755), os.MkdirAll(at("secret"), 0o700), os.MkdirAll(at("new"), 0o755),
		os.WriteFile(at("usr/bin/tool"), []byte(text), 0o755), unix.Chmod(at("usr/bin/tool"), 0o4755),
		os.Chown(at("secret"), 1000, 2000),
		os.Link(at("usr/bin/tool"), at("usr/bin/same")), os.Symlink("tool", at("usr/bin/link")),
		unix.Mkfifo(at("pipe"), 0o622), unix.Mknod(at("usr/removed"), unix.S_IFCHR, 0), unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Lsetxattr(at("new"), "trusted.overlay.opaque", []byte("y"), 0),
		unix.Lsetxattr(at("secret"), "user.note", []byte("kept"), 0),
		os.WriteFile(at("empty"), nil, 0o644), os.WriteFile(at("large"), []byte(strings.Repeat(text, 30000)), 0o644),
		os.Chtimes(at("large"), old, old), os.Chtimes(at("secret"), old, old),
		os.Chtimes(at("usr"), old, old),
	)
}

// configOf is a configuration with these layers.
func configOf(t *testing.T, ids ...string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": ids}})
	must(t, err)
	return b
}

// newLayer reads the layer in dir, with a description if split says so.
func newLayer(t *testing.T, dir string, epoch *time.Time, split bool) NewLayer {
	t.Helper()
	l := NewLayer{Dir: dir, Epoch: epoch}
	if split {
		f, err := os.CreateTemp(t.TempDir(), "")
		must(t, err)
		l.TarSplit = f
	}
	var w *os.File
	if split {
		w = l.TarSplit
	}
	var res layertar.Result
	var err error
	if w != nil {
		res, err = layertar.Digest(context.Background(), dir, layertar.Options{Epoch: epoch}, w)
	} else {
		res, err = layertar.Digest(context.Background(), dir, layertar.Options{Epoch: epoch}, nil)
	}
	must(t, err)
	l.DiffID, l.Size = res.DiffID, res.Size
	return l
}

func TestAssembledLayersHaveTheirDigests(t *testing.T) {
	for _, driver := range []string{"overlay", "vfs"} {
		for _, split := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s and split %v", driver, split), func(t *testing.T) {
				s := openStore(t, driver)
				a, b := t.TempDir(), t.TempDir()
				upper(t, a, "one")
				upper(t, b, "two")
				la, lb := newLayer(t, a, nil, split), newLayer(t, b, nil, split)
				id, changed, err := s.Assemble(context.Background(), Assembly{
					Layers: []NewLayer{la, lb}, Config: configOf(t, la.DiffID, lb.DiffID), Names: []string{"localhost/a:latest"},
				})
				must(t, err)
				if !changed || id == "" {
					t.Errorf("got id %q, changed %v; want a new image", id, changed)
				}
				rec, err := s.images.Load(id)
				must(t, err)
				if len(rec.Names) != 1 || rec.Names[0] != "localhost/a:latest" {
					t.Errorf("got names %v, want localhost/a:latest", rec.Names)
				}
				img, err := s.s.Image(id)
				must(t, err)
				chain, err := s.chain(img.TopLayer)
				must(t, err)
				for i, want := range []NewLayer{la, lb} {
					if got := diffDigest(t, s, chain[i].ID); got != want.DiffID {
						t.Errorf("layer %d: the store gives out an archive with digest %s, want %s", i, got, want.DiffID)
					}
				}
			})
		}
	}
}

// diffDigest is the digest of the archive that the store makes of a layer, which
// is what push and save send.
func diffDigest(t *testing.T, s *Store, layer string) string {
	t.Helper()
	none := archive.Uncompressed
	r, err := s.s.Diff("", layer, &storage.DiffOptions{Compression: &none})
	must(t, err)
	defer r.Close()
	d, err := digest.FromReader(r)
	must(t, err)
	return d.String()
}

func inode(t *testing.T, path string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

func TestAssembleLinksAndKeepsDirectories(t *testing.T) {
	s := openStore(t, "overlay")
	dir := t.TempDir()
	upper(t, dir, "one")
	l := newLayer(t, dir, nil, true)
	id, _, err := s.Assemble(context.Background(), Assembly{Layers: []NewLayer{l}, Config: configOf(t, l.DiffID)})
	must(t, err)
	rec, err := s.images.Load(id)
	must(t, err)
	made := rec.Layers[0]
	if a, b := inode(t, dir+"/large"), inode(t, made+"/large"); a.Ino != b.Ino {
		t.Errorf("large was copied: inodes %d and %d", a.Ino, b.Ino)
	}
	a, b := inode(t, dir+"/secret"), inode(t, made+"/secret")
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Mtim.Sec != b.Mtim.Sec {
		t.Errorf("directory secret: got %o %d:%d at %d, want %o %d:%d at %d", b.Mode, b.Uid, b.Gid, b.Mtim.Sec, a.Mode, a.Uid, a.Gid, a.Mtim.Sec)
	}
	if m := inode(t, made).Mode & 0o7777; m != 0o755 {
		t.Errorf("the root directory has mode %o, want 755", m)
	}
	var value [8]byte
	for name, want := range map[string]string{"new\x00trusted.overlay.opaque": "y", "secret\x00user.note": "kept"} {
		path, attr, _ := strings.Cut(name, "\x00")
		n, err := unix.Lgetxattr(made+"/"+path, attr, value[:])
		if err != nil || string(value[:n]) != want {
			t.Errorf("%s of %s: got %q, %v; want %q", attr, path, value[:max(n, 0)], err, want)
		}
	}
	// The cache may lose the layer, and the image the store.
	must(t, os.RemoveAll(dir))
	if got := diffDigest(t, s, filepath.Base(filepath.Dir(made))); got != l.DiffID {
		t.Errorf("without the cache: got digest %s, want %s", got, l.DiffID)
	}
}

func TestAssembleReusesLayers(t *testing.T) {
	s := openStore(t, "overlay")
	a, b := t.TempDir(), t.TempDir()
	upper(t, a, "one")
	upper(t, b, "two")
	la, lb := newLayer(t, a, nil, false), newLayer(t, b, nil, false)
	base, _, err := s.Assemble(context.Background(), Assembly{Layers: []NewLayer{la}, Config: configOf(t, la.DiffID)})
	must(t, err)
	on := Assembly{Base: base, Layers: []NewLayer{lb}, Config: configOf(t, la.DiffID, lb.DiffID)}
	id, changed, err := s.Assemble(context.Background(), on)
	must(t, err)
	if !changed {
		t.Error("the image on the base is not new")
	}
	again, changed, err := s.Assemble(context.Background(), on)
	must(t, err)
	if changed || again != id {
		t.Errorf("second time: got %s, changed %v; want %s, false", again, changed, id)
	}
	layers, err := s.s.Layers()
	must(t, err)
	if len(layers) != 2 {
		t.Errorf("the store has %d layers, want 2", len(layers))
	}
	must(t, s.DropOrphans())
	if _, err := s.Remove(context.Background(), id, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := newLayer(t, b, nil, false).DiffID; got != lb.DiffID {
		t.Errorf("after rmi the cached layer has digest %s, want %s", got, lb.DiffID)
	}
}

func TestAssembleWithEpoch(t *testing.T) {
	s := openStore(t, "overlay")
	dir := t.TempDir()
	upper(t, dir, "one")
	epoch := time.Unix(1_500_000_000, 0)
	l := newLayer(t, dir, &epoch, true)
	id, _, err := s.Assemble(context.Background(), Assembly{Layers: []NewLayer{l}, Config: configOf(t, l.DiffID)})
	must(t, err)
	rec, err := s.images.Load(id)
	must(t, err)
	made := rec.Layers[0]
	for name, want := range map[string]int64{"usr/bin/tool": epoch.Unix(), "large": 1_000_000_000, "new": epoch.Unix(), "usr/bin/link": epoch.Unix()} {
		if got := inode(t, made+"/"+name).Mtim.Sec; got != want {
			t.Errorf("%s: got time %d, want %d", name, got, want)
		}
	}
	if inode(t, dir+"/usr/bin/tool").Mtim.Sec == epoch.Unix() {
		t.Error("the file in the cache was changed")
	}
	if a, b := inode(t, made+"/usr/bin/tool"), inode(t, made+"/usr/bin/same"); a.Ino != b.Ino {
		t.Error("tool and same are one file no more")
	}
	if got := diffDigest(t, s, filepath.Base(filepath.Dir(made))); got != l.DiffID {
		t.Errorf("got digest %s, want %s", got, l.DiffID)
	}
}

func TestAssembleRefusesWhatHasChanged(t *testing.T) {
	s := openStore(t, "overlay")
	dir := t.TempDir()
	upper(t, dir, "one")
	l := newLayer(t, dir, nil, false)
	must(t, os.WriteFile(dir+"/usr/bin/tool", []byte("two"), 0o755))
	_, _, err := s.Assemble(context.Background(), Assembly{Layers: []NewLayer{l}, Config: configOf(t, l.DiffID)})
	if err == nil || !strings.Contains(err.Error(), "have changed") {
		t.Fatalf("got %v, want an error that the files have changed", err)
	}
	layers, err := s.s.Layers()
	must(t, err)
	if len(layers) != 0 {
		t.Errorf("%d layers are left", len(layers))
	}
	left, err := os.ReadDir(filepath.Join(s.roots.Storage(), "overlay", "staging"))
	if err == nil && len(left) > 0 {
		t.Errorf("%d staging directories are left", len(left))
	}
}

func BenchmarkAssemble(b *testing.B) {
	top := b.TempDir()
	s, err := Open(Options{Roots: dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := 0
	for b.Loop() {
		b.StopTimer()
		var a Assembly
		var ids []string
		for range 10 {
			n++
			dir := fmt.Sprintf("%s/layer%d", top, n)
			_ = os.Mkdir(dir, 0o755)
			for j := range 100 {
				_ = os.WriteFile(fmt.Sprintf("%s/%d", dir, j), []byte(fmt.Sprint(n)), 0o644)
			}
			f, _ := os.CreateTemp(top, "")
			res, err := layertar.Digest(context.Background(), dir, layertar.Options{}, f)
			if err != nil {
				b.Fatal(err)
			}
			a.Layers = append(a.Layers, NewLayer{Dir: dir, DiffID: res.DiffID, Size: res.Size, TarSplit: f})
			ids = append(ids, res.DiffID)
		}
		a.Config, _ = json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": ids}})
		b.StartTimer()
		if _, _, err := s.Assemble(context.Background(), a); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAssembleOnAnImageOfASharedStore(t *testing.T) {
	shared := openStore(t, "overlay")
	a, b := t.TempDir(), t.TempDir()
	upper(t, a, "one")
	upper(t, b, "two")
	la, lb := newLayer(t, a, nil, false), newLayer(t, b, nil, false)
	base, _, err := shared.Assemble(context.Background(), Assembly{Layers: []NewLayer{la}, Config: configOf(t, la.DiffID), Names: []string{"localhost/base:latest"}})
	must(t, err)
	// A process has the locks of a store for reading or for writing, so this is a copy.
	top := t.TempDir()
	images := filepath.Join(top, "images")
	if out, err := exec.Command("cp", "-a", shared.roots.Storage(), images).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	s, err := Open(Options{Roots: dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}, ImageStores: []string{images}})
	must(t, err)
	defer s.Close()
	id, changed, err := s.Assemble(context.Background(), Assembly{Base: base, Layers: []NewLayer{lb}, Config: configOf(t, la.DiffID, lb.DiffID)})
	must(t, err)
	if !changed {
		t.Error("the image is not new")
	}
	rec, err := s.images.Load(id)
	must(t, err)
	if len(rec.Layers) != 2 || !strings.HasPrefix(rec.Layers[0], images) || !strings.HasPrefix(rec.Layers[1], s.roots.Storage()) {
		t.Fatalf("got layers %v", rec.Layers)
	}
	if got := diffDigest(t, s, filepath.Base(filepath.Dir(rec.Layers[1]))); got != lb.DiffID {
		t.Errorf("got digest %s, want %s", got, lb.DiffID)
	}
}
