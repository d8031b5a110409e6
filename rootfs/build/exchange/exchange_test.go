package exchange

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/layertar"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state/dirs"
	tests "skiff/tests/registry"
)

func TestMain(m *testing.M) {
	if store.Reexec() {
		return
	}
	os.Exit(m.Run())
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func key(n int) string { return fmt.Sprintf("%x", sha256.Sum256([]byte{byte(n)})) }

// machine is a cache, and a session with an image store.
type machine struct {
	*cache.Cache
	*registry.Session
}

func newMachine(t *testing.T) machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the image store needs root")
	}
	top := t.TempDir()
	roots := dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}
	s, err := store.Open(store.Options{Roots: roots})
	must(t, err)
	t.Cleanup(s.Close)
	conf := filepath.Join(top, "registries.conf")
	must(t, os.WriteFile(conf, nil, 0o600))
	session, err := registry.NewSession(&imagecall.Request{RegistriesConf: conf}, s, io.Discard)
	must(t, err)
	t.Cleanup(session.Close)
	c, err := cache.Open(roots)
	must(t, err)
	t.Cleanup(c.Close)
	return machine{c, session}
}

// step does a step with one of everything.
func (m machine) step(t *testing.T, k, text string) *cache.Layer {
	t.Helper()
	w, err := m.Begin()
	must(t, err)
	at := func(name string) string { return filepath.Join(w.Upper, name) }
	old := time.Unix(1_000_000_000, 0)
	must(t, os.MkdirAll(at("a/b"), 0o750), os.WriteFile(at("a/file"), []byte(text), 0o644), os.Link(at("a/file"), at("a/b/same")),
		os.Symlink("../x", at("a/link")), unix.Mknod(at("a/gone"), unix.S_IFCHR, 0), os.Mkdir(at("new"), 0o700),
		unix.Lsetxattr(at("new"), "trusted.overlay.opaque", []byte("y"), 0), os.Chown(at("new"), 5, 6),
		os.Chtimes(at("a/b"), old, old), os.Chtimes(at("a"), old, old))
	l, err := w.Commit(cache.Record{Key: k, Title: "RUN " + text})
	must(t, err)
	return l
}

func diffID(t *testing.T, dir string) string {
	t.Helper()
	res, err := layertar.Digest(context.Background(), dir, layertar.Options{}, nil)
	must(t, err)
	return res.DiffID
}

func at(kind string, attrs ...string) imagecall.Place {
	p := imagecall.Place{Type: kind, Attrs: map[string]string{}}
	for _, a := range attrs {
		k, v, _ := strings.Cut(a, "=")
		p.Attrs[k] = v
	}
	return p
}

// openAll opens a place that is to have no faults.
func openAll(t *testing.T, m machine, p imagecall.Place) *Importer {
	t.Helper()
	i := Open(context.Background(), m.Session, []imagecall.Place{p}, func(w string) { t.Errorf("warning: %s", w) })
	t.Cleanup(i.Close)
	return i
}

func TestStepsGoFromOneMachineToAnother(t *testing.T) {
	reg := tests.Start(t, tests.Options{})
	for _, compression := range []string{"", "zstd", "uncompressed"} {
		for _, kind := range []string{"local", "registry"} {
			t.Run(kind+" "+compression, func(t *testing.T) {
				from, to := newMachine(t), newMachine(t)
				one, two := from.step(t, key(1), "one"), from.step(t, key(2), "two")
				p := at(kind, "dest="+t.TempDir(), "ref="+reg.Host+"/cache/"+kind+"x"+compression)
				if compression != "" {
					p.Attrs["compression"] = compression
				}
				must(t, Check([]imagecall.Place{p}, nil), Export(context.Background(), from.Session, p, []*cache.Layer{one, two}))
				p.Attrs["src"] = p.Attrs["dest"]
				i := openAll(t, to, p)
				for k, l := range map[string]*cache.Layer{key(1): one, key(2): two} {
					got, ok := i.Fetch(context.Background(), to.Cache, k)
					if !ok {
						t.Fatalf("%s did not come", l.Title)
					}
					if a, b := diffID(t, l.Dir), diffID(t, got.Dir); a != b || got.Title != l.Title {
						t.Errorf("%s came as %s with digest %s, want %s", l.Title, got.Title, b, a)
					}
					if _, ok := to.Lookup(k); !ok {
						t.Errorf("%s is not in the cache", l.Title)
					}
				}
				if _, ok := i.Fetch(context.Background(), to.Cache, key(3)); ok {
					t.Error("a step came that nobody has")
				}
			})
		}
	}
}

func TestLayersThatAPlaceHasAreNotWrittenAgain(t *testing.T) {
	reg := tests.Start(t, tests.Options{})
	for _, kind := range []string{"local", "registry"} {
		t.Run(kind, func(t *testing.T) {
			m := newMachine(t)
			p := at(kind, "dest="+t.TempDir(), "ref="+reg.Host+"/cache/again")
			one := m.step(t, key(1), "one")
			res, err := layertar.Digest(context.Background(), one.Dir, layertar.Options{}, nil)
			must(t, err)
			one.DiffID, one.ArchiveSize = res.DiffID, res.Size
			must(t, Export(context.Background(), m.Session, p, []*cache.Layer{one}))
			// What is not read again cannot fail.
			gone := *one
			gone.Dir += "/gone"
			two := m.step(t, key(2), "two")
			must(t, Export(context.Background(), m.Session, p, []*cache.Layer{&gone, two}))
			p.Attrs["src"] = p.Attrs["dest"]
			i := openAll(t, newMachine(t), p)
			if !i.Has(key(1)) || !i.Has(key(2)) {
				t.Errorf("got steps %v", i.steps)
			}
		})
	}
}

// layout makes an OCI layout of what an attacker says.
type layout struct {
	dir string
	m   imgspec.Manifest
	doc document
}

func newLayout(t *testing.T) *layout {
	t.Helper()
	l := &layout{dir: t.TempDir(), m: imgspec.Manifest{MediaType: imgspec.MediaTypeImageManifest}}
	must(t, os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o755))
	l.doc.Version = documentVersion
	return l
}

func (l *layout) add(t *testing.T, k string, archive []byte) *Step {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(archive)
	must(t, err, z.Close())
	d := imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(b.Bytes()), Size: int64(b.Len())}
	must(t, os.WriteFile(filepath.Join(l.dir, "blobs/sha256", d.Digest.Encoded()), b.Bytes(), 0o644))
	l.m.Layers = append(l.m.Layers, d)
	l.doc.Steps = append(l.doc.Steps, Step{Key: k, Layer: len(l.m.Layers) - 1, DiffID: digest.FromBytes(archive), Size: int64(len(archive))})
	return &l.doc.Steps[len(l.doc.Steps)-1]
}

func (l *layout) finish(t *testing.T) imagecall.Place {
	t.Helper()
	var err error
	blobs := filepath.Join(l.dir, "blobs/sha256")
	l.m.Config, err = writeDocument(blobs, ConfigType, l.doc)
	must(t, err)
	top, err := writeDocument(blobs, imgspec.MediaTypeImageManifest, l.m)
	must(t, err, writeIndex(l.dir, top))
	return at("local", "src="+l.dir)
}

func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Mode = 0o755
		must(t, w.WriteHeader(&h))
		_, err := w.Write(make([]byte, h.Size))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func TestHostileLayersAreRefused(t *testing.T) {
	small := tarOf(t, tar.Header{Name: "file", Typeflag: tar.TypeReg, Size: 10})
	for name, tt := range map[string]struct {
		make func(t *testing.T, l *layout)
		want string
	}{
		"another content": {func(t *testing.T, l *layout) {
			l.add(t, key(1), small).DiffID = digest.FromString("else")
		}, "does not hold what it should"},
		"larger than it says": {func(t *testing.T, l *layout) {
			l.add(t, key(1), tarOf(t, tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: 1 << 20})).Size = 100
		}, "larger than it should be"},
		"another blob": {func(t *testing.T, l *layout) {
			l.add(t, key(1), small)
			path := filepath.Join(l.dir, "blobs/sha256", l.m.Layers[0].Digest.Encoded())
			b, err := os.ReadFile(path)
			must(t, err)
			b[9] ^= 1 // the operating system in gzip's header, which nothing else looks at
			must(t, os.WriteFile(path, b, 0o644))
		}, "not the layer with the digest"},
		"no blob": {func(t *testing.T, l *layout) {
			l.add(t, key(1), small)
			must(t, os.Remove(filepath.Join(l.dir, "blobs/sha256", l.m.Layers[0].Digest.Encoded())))
		}, "no such file"},
		"no archive": {func(t *testing.T, l *layout) { l.add(t, key(1), []byte("garbage")) }, "cannot unpack the layer"},
		"no layer":   {func(t *testing.T, l *layout) { l.add(t, key(1), small).Layer = 7 }, "has no layer"},
		"no key":     {func(t *testing.T, l *layout) { l.add(t, "../../x", small) }, "no valid key"},
		"no size":    {func(t *testing.T, l *layout) { l.add(t, key(1), small).Size = -1 }, "says that it has -1 bytes"},
		"a version":  {func(_ *testing.T, l *layout) { l.doc.Version = 9 }, "does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			m, l := newMachine(t), newLayout(t)
			tt.make(t, l)
			var warned []string
			i := Open(context.Background(), m.Session, []imagecall.Place{l.finish(t)}, func(w string) { warned = append(warned, w) })
			defer i.Close()
			if got, ok := i.Fetch(context.Background(), m.Cache, key(1)); ok {
				t.Errorf("it was taken: %+v", got)
			}
			if len(warned) != 1 || !strings.Contains(warned[0], tt.want) {
				t.Errorf("got warnings %q, want one with %q", warned, tt.want)
			}
			list, err := m.List()
			must(t, err)
			if len(list) != 0 {
				t.Errorf("the cache has %+v", list)
			}
		})
	}
}

func TestNothingIsUnpackedOutside(t *testing.T) {
	m, l := newMachine(t), newLayout(t)
	outside := t.TempDir()
	l.add(t, key(1), tarOf(t,
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside}, tar.Header{Name: "link/inside", Typeflag: tar.TypeReg, Size: 3},
		tar.Header{Name: "../../../../../../../../" + outside + "/up", Typeflag: tar.TypeReg, Size: 3}))
	i := Open(context.Background(), m.Session, []imagecall.Place{l.finish(t)}, func(string) {})
	defer i.Close()
	i.Fetch(context.Background(), m.Cache, key(1))
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("unpacked outside: %v", left)
	}
}

func TestStepsOfAnImage(t *testing.T) {
	raw, err := Inline([]string{"", key(1)}, []string{"", ""})
	must(t, err)
	base, own := digest.FromString("base"), digest.FromString("own")
	config, err := json.Marshal(map[string]any{"rootfs": map[string]any{"diff_ids": []digest.Digest{base, own}}, InlineKey: raw})
	must(t, err)
	steps, err := stepsOf(imgspec.Manifest{Config: imgspec.Descriptor{MediaType: imgspec.MediaTypeImageConfig}}, config)
	must(t, err)
	want := []Step{{Key: key(1), Layer: 1, DiffID: own, inlined: true}}
	if !reflect.DeepEqual(steps, want) {
		t.Errorf("got %+v, want %+v", steps, want)
	}
	for _, c := range []string{`{}`, `{"rootfs":{"diff_ids":[]}}`} {
		if steps, err := inlineSteps([]byte(c)); err != nil || len(steps) != 0 {
			t.Errorf("%s: got %v, %v; want nothing", c, steps, err)
		}
	}
}

func TestNamesOfACache(t *testing.T) {
	for ref, want := range map[string][]string{
		"example.com/a":             {"example.com/a:buildcache", "example.com/a:latest"},
		"example.com/a:x":           {"example.com/a:x"},
		"example.com:5000/a:latest": {"example.com:5000/a:latest"},
	} {
		got, err := names(at("registry", "ref="+ref))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v; want %v", ref, got, err, want)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"version":1,"steps":[{"key":"x","layer":-1}]}`), true)
	f.Add([]byte(`{"rootfs":{"diff_ids":["sha256:x"]},"vnd.skiff.buildcache.v1":{"version":1,"keys":["a"]}}`), false)
	f.Fuzz(func(t *testing.T, config []byte, own bool) {
		m := imgspec.Manifest{Layers: make([]imgspec.Descriptor, 2)}
		if own {
			m.Config.MediaType = ConfigType
		}
		steps, err := stepsOf(m, config)
		if err != nil {
			return
		}
		for n := range steps {
			if steps[n].check(len(m.Layers)) == nil && (steps[n].Layer < 0 || steps[n].Layer > 1 || len(steps[n].Key) != 64) {
				t.Errorf("%+v passes", steps[n])
			}
		}
	})
}
