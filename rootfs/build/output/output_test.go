package output

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

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

// bed is a store with an image of one layer in it.
type bed struct {
	*registry.Session
	layer, diffID, image string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the image store needs root")
	}
	top := t.TempDir()
	s, err := store.Open(store.Options{Roots: dirs.Roots{Data: filepath.Join(top, "data"), Run: filepath.Join(top, "run")}})
	must(t, err)
	t.Cleanup(s.Close)
	b := &bed{layer: filepath.Join(top, "layer")}
	at := func(name string) string { return filepath.Join(b.layer, name) }
	must(t, os.MkdirAll(at("bin"), 0o755), os.WriteFile(at("bin/tool"), []byte("tool"), 0o755), unix.Chmod(at("bin/tool"), 0o4755),
		os.Chown(at("bin"), 12, 34), os.Symlink("tool", at("bin/link")), os.Link(at("bin/tool"), at("bin/same")))
	res, err := layertar.Digest(context.Background(), b.layer, layertar.Options{}, nil)
	must(t, err)
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{res.DiffID}},
		"history": []any{map[string]any{"created_by": "COPY"}},
	})
	must(t, err)
	b.diffID = res.DiffID
	b.image, _, err = s.Assemble(context.Background(), store.Assembly{
		Layers: []store.NewLayer{{Dir: b.layer, DiffID: res.DiffID, Size: res.Size}}, Config: config, Names: []string{"localhost/made:latest"},
	})
	must(t, err)
	conf := filepath.Join(top, "registries.conf")
	must(t, os.WriteFile(conf, nil, 0o600))
	b.Session, err = registry.NewSession(&imagecall.Request{RegistriesConf: conf}, s, io.Discard)
	must(t, err)
	t.Cleanup(b.Session.Close)
	return b
}

func (b *bed) result(names ...string) Result {
	return Result{Names: names, Images: []Made{{
		ID: b.image, Platform: imgspec.Platform{OS: "linux", Architecture: "amd64"},
		Root: func(context.Context) (string, func() error, error) { return b.layer, func() error { return nil }, nil },
	}}}
}

func at(kind string, attrs ...string) imagecall.Place {
	p := imagecall.Place{Type: kind, Attrs: map[string]string{}}
	for _, a := range attrs {
		k, v, _ := strings.Cut(a, "=")
		p.Attrs[k] = v
	}
	return p
}

func stat(t *testing.T, path string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

func TestLocalFillsADirectory(t *testing.T) {
	b := newBed(t)
	dest, outside := t.TempDir(), t.TempDir()
	must(t, os.Chmod(dest, 0o700), os.WriteFile(dest+"/stays", nil, 0o600), os.Symlink(outside, dest+"/bin"))
	if _, err := Write(context.Background(), b.Session, at(Local, "dest="+dest), b.result()); err != nil {
		t.Fatal(err)
	}
	if st := stat(t, dest+"/bin"); st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != 12 || st.Gid != 34 {
		t.Errorf("bin: got mode %o, owner %d:%d; want a directory of 12:34", st.Mode, st.Uid, st.Gid)
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("a link in the destination was followed: %v", left)
	}
	tool := stat(t, dest+"/bin/tool")
	if tool.Mode&0o7777 != 0o4755 || tool.Ino != stat(t, dest+"/bin/same").Ino || tool.Ino == stat(t, b.layer+"/bin/tool").Ino {
		t.Errorf("tool: got mode %o, inodes %d, %d and %d in the cache", tool.Mode, tool.Ino, stat(t, dest+"/bin/same").Ino, stat(t, b.layer+"/bin/tool").Ino)
	}
	stat(t, dest+"/stays")
	if m := stat(t, dest).Mode & 0o7777; m != 0o700 {
		t.Errorf("the destination got mode %o, had 700", m)
	}
	// Once more, over what is there.
	if _, err := Write(context.Background(), b.Session, at(Local, "dest="+dest), b.result()); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralPlatformsAreApart(t *testing.T) {
	b := newBed(t)
	r := b.result()
	arm := r.Images[0]
	arm.Platform = imgspec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	r.Images = append(r.Images, arm)
	dest := t.TempDir()
	_, err := Write(context.Background(), b.Session, at(Local, "dest="+dest), r)
	must(t, err)
	stat(t, dest+"/linux_amd64/bin/tool")
	stat(t, dest+"/linux_arm_v7/bin/tool")
	_, err = Write(context.Background(), b.Session, at(Tar, "dest="+dest+"/tar"), r)
	must(t, err)
	want := []string{"linux_amd64/", "linux_amd64/bin/", "linux_amd64/bin/link", "linux_amd64/bin/same", "linux_amd64/bin/tool",
		"linux_arm_v7/", "linux_arm_v7/bin/", "linux_arm_v7/bin/link", "linux_arm_v7/bin/same", "linux_arm_v7/bin/tool"}
	if got := tarNames(t, dest+"/tar", nil); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func tarNames(t *testing.T, path string, see func(*tar.Header)) (names []string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		must(t, err)
		names = append(names, h.Name)
		if see != nil {
			see(h)
		}
	}
}

func TestTarHasTheEpoch(t *testing.T) {
	b := newBed(t)
	epoch := time.Unix(1_000_000_000, 0)
	r := b.result()
	r.Epoch = &epoch
	file := filepath.Join(t.TempDir(), "tar")
	_, err := Write(context.Background(), b.Session, at(Tar, "dest="+file), r)
	must(t, err)
	names := tarNames(t, file, func(h *tar.Header) {
		if !h.ModTime.Equal(epoch) {
			t.Errorf("%s: got time %v, want %v", h.Name, h.ModTime, epoch)
		}
	})
	if want := []string{"bin/", "bin/link", "bin/same", "bin/tool"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// inspect asks skopeo, an independent reader, for an image.
func inspect(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("there is no skopeo")
	}
	out, err := exec.Command("skopeo", append([]string{"inspect", "--tls-verify=false"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo inspect %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestArchivesAreReadBySkopeo(t *testing.T) {
	for name, tt := range map[string]struct {
		place     imagecall.Place
		transport string
		media     string
	}{
		"oci":              {at(OCI), "oci-archive:", "tar+gzip"},
		"oci zstd":         {at(OCI, "compression=zstd", "force-compression=true", "compression-level=5"), "oci-archive:", "tar+zstd"},
		"oci uncompressed": {at(OCI, "compression=uncompressed"), "oci-archive:", "v1.tar\""},
		"oci directory":    {at(OCI, "tar=false"), "oci:", "tar+gzip"},
		"docker":           {at(Docker), "docker-archive:", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			dest := filepath.Join(t.TempDir(), "out")
			tt.place.Attrs["dest"] = dest
			must(t, Check([]imagecall.Place{tt.place}, 1))
			_, err := Write(context.Background(), b.Session, tt.place, b.result("example.com/a/b:1"))
			must(t, err)
			ref := tt.transport + dest
			if strings.HasPrefix(tt.transport, "oci") {
				ref += ":1" // org.opencontainers.image.ref.name is the tag
			} else {
				ref += ":example.com/a/b:1"
			}
			if config := inspect(t, "--config", "--raw", ref); !strings.Contains(config, b.diffID) {
				t.Errorf("the configuration does not have %s:\n%s", b.diffID, config)
			}
			if m := inspect(t, "--raw", ref); !strings.Contains(m, tt.media) {
				t.Errorf("the manifest does not say %s:\n%s", tt.media, m)
			}
			// A copy reads every layer and checks it.
			if out, err := exec.Command("skopeo", "copy", ref, "dir:"+t.TempDir()).CombinedOutput(); err != nil {
				t.Errorf("skopeo copy: %v\n%s", err, out)
			}
		})
	}
}

func TestIndexOfSeveralPlatforms(t *testing.T) {
	b := newBed(t)
	r := b.result("example.com/a/b:1")
	arm := r.Images[0]
	arm.Platform = imgspec.Platform{OS: "linux", Architecture: "arm64"}
	r.Images = append(r.Images, arm)
	dest := filepath.Join(t.TempDir(), "out")
	_, err := Write(context.Background(), b.Session, at(OCI, "dest="+dest), r)
	must(t, err)
	index := inspect(t, "--raw", "oci-archive:"+dest+":1")
	var got imgspec.Index
	must(t, json.Unmarshal([]byte(index), &got))
	if len(got.Manifests) != 2 || got.Manifests[0].Platform.Architecture != "amd64" || got.Manifests[1].Platform.Architecture != "arm64" {
		t.Errorf("got %s", index)
	}
	if err := Check([]imagecall.Place{at(Docker, "dest="+dest)}, 2); err == nil || !strings.Contains(err.Error(), "holds one image") {
		t.Errorf("docker: got %v", err)
	}
}

func TestPushesToARegistry(t *testing.T) {
	for _, compression := range []string{"gzip", "zstd", "uncompressed"} {
		t.Run(compression, func(t *testing.T) {
			b := newBed(t)
			reg := tests.Start(t, tests.Options{})
			name := reg.Host + "/a/b:" + compression
			sent, err := Write(context.Background(), b.Session, at(Registry, "name="+name, "compression="+compression, "registry.insecure=true"), b.result())
			must(t, err)
			if len(sent) != 1 || sent[0].Name != name || sent[0].ID != b.image {
				t.Errorf("got %+v", sent)
			}
			if config := inspect(t, "--config", "--raw", "docker://"+name); !strings.Contains(config, b.diffID) {
				t.Errorf("the configuration does not have %s:\n%s", b.diffID, config)
			}
			want := map[string]string{"gzip": "tar+gzip", "zstd": "tar+zstd", "uncompressed": "v1.tar\""}[compression]
			if m := inspect(t, "--raw", "docker://"+name); !strings.Contains(m, want) {
				t.Errorf("the manifest does not say %s:\n%s", want, m)
			}
			if out, err := exec.Command("skopeo", "copy", "--src-tls-verify=false", "docker://"+name, "dir:"+t.TempDir()).CombinedOutput(); err != nil {
				t.Errorf("skopeo copy: %v\n%s", err, out)
			}
		})
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for want, p := range map[string]imagecall.Place{
		`unknown word "destt": use dest, platform-split`: at(Local, "dest=/x", "destt=y"),
		"use local, tar, oci, docker, image or registry": at("cacheonly"),
		"push=maybe is neither true nor false":           at(Image, "push=maybe"),
		`compression "lz4" is not known`:                 at(OCI, "dest=/x", "compression=lz4"),
		"compression-level=99 is no number from 0 to 9":  at(OCI, "dest=/x", "compression-level=99"),
		"compression-level=23 is no number from 0 to 22": at(OCI, "dest=/x", "compression-level=23", "compression=zstd"),
		"compression=zstd does not go with":              at(Image, "compression=zstd", "oci-mediatypes=false"),
		"oci-mediatypes=false does not go with type=oci": at(OCI, "oci-mediatypes=false"),
		"source-date-epoch=now is no number of seconds":  at(Tar, "source-date-epoch=now"),
		"tar=false needs dest=DIRECTORY":                 at(OCI, "tar=false"),
		"push-by-digest needs name=REPOSITORY":           at(Image, "push=true", "push-by-digest=true"),
		`without a tag, unlike "b:1"`:                    at(Image, "push=true", "push-by-digest=true", "name=h/a,b:1"),
		`unknown word "annotation[linux/arm].x"`:         at(OCI, "dest=/x", "annotation[linux/arm].x=y"),
	} {
		if err := Check([]imagecall.Place{p}, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", p, err, want)
		}
	}
	if err := Check([]imagecall.Place{at(Tar), at(OCI, "dest=-")}, 1); err == nil || !strings.Contains(err.Error(), "several outputs") {
		t.Errorf("two on standard output: got %v", err)
	}
}
