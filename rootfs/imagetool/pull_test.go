package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"skiff/rootfs/imagecall"
	"skiff/state"
	registry "skiff/tests/registry"
)

func pullOf(refs ...string) imagecall.Request {
	return imagecall.Request{Op: imagecall.OpPull, Images: refs}
}

func TestPullOfEachFormat(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	for _, docker := range []bool{false, true} {
		for _, compression := range []string{"gzip", "zstd", ""} {
			if docker && compression == "zstd" {
				continue // not in that format
			}
			t.Run(fmt.Sprintf("docker=%v %s", docker, compression), func(t *testing.T) {
				tl := newTool(t)
				img := simple(t, compression, compression, compression)
				img.Docker = docker
				b := img.Build(t)
				srv.Push(t, "fmt", "1", b)
				res := tl.must(t, pullOf(srv.Host+"/fmt:1"))
				if len(res.Images) != 1 || res.Images[0].ID != b.ID() || !res.Images[0].Changed {
					t.Fatalf("got %+v, want the new image %s", res.Images, b.ID())
				}
				checkRecord(t, tl.lookup(t, srv.Host+"/fmt:1"), b, srv.Host+"/fmt")
				res = tl.must(t, pullOf(srv.Host+"/fmt:1"))
				if res.Images[0].Changed {
					t.Error("the second pull reports a new image")
				}
			})
		}
	}
}

func checkRecord(t *testing.T, rec *state.Image, b *registry.Built, repository string) {
	t.Helper()
	if rec.Digest != registry.Digest(b.Manifest) || rec.OS != "linux" || rec.Architecture != "amd64" || rec.Author != "tester" {
		t.Errorf("got %+v", rec)
	}
	if got, want := strings.Join(rec.RepoDigests, " "), repository+"@"+rec.Digest; got != want {
		t.Errorf("repo digests: got %q, want %q", got, want)
	}
	if got, want := strings.Join(rec.DiffIDs, " "), strings.Join(b.DiffIDs, " "); got != want {
		t.Errorf("diff ids: got %q, want %q", got, want)
	}
	if rec.ManifestType != b.Type || len(rec.History) != len(b.DiffIDs) || rec.Added.IsZero() {
		t.Errorf("got type %q, %d steps, added %v", rec.ManifestType, len(rec.History), rec.Added)
	}
	var size int64
	for i, l := range b.Image.Layers {
		size += int64(len(l.Tar))
		if rec.LayerSizes[i] != int64(len(l.Tar)) {
			t.Errorf("size of layer %d: got %d, want %d", i, rec.LayerSizes[i], len(l.Tar))
		}
		name := fmt.Sprintf("f%d", i)
		if _, err := os.Stat(filepath.Join(rec.Layers[i], name)); err != nil {
			t.Errorf("layer %d: %v", i, err)
		}
	}
	if rec.Size != size {
		t.Errorf("size: got %d, want %d", rec.Size, size)
	}
	if rec.Config.Cmd[0] != "/f0" || rec.Config.Env[0] != "A=b" {
		t.Errorf("config: got %+v", rec.Config)
	}
}

func TestPullFromIndexByPlatform(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	amd, arm := simple(t, "gzip"), simple(t, "gzip", "gzip")
	arm.Architecture = "arm64"
	amdB, armB := amd.Build(t), arm.Build(t)
	index := srv.PushIndex(t, "multi", "1", amdB, armB)
	name := srv.Host + "/multi:1"

	tl.must(t, pullOf(name))
	if got := tl.lookup(t, name); got.ID != amdB.ID() {
		t.Fatalf("got %s, want the image of this machine", got.ID)
	}
	req := pullOf(name)
	req.Platform, req.Policy = "linux/arm64", "missing"
	tl.must(t, req)
	if got := tl.lookup(t, name); got.ID != armB.ID() {
		t.Fatalf("got %s, want the arm64 image", got.ID)
	}
	// The first image lost its name and is still there.
	if got := tl.lookup(t, amdB.ID()); len(got.Names) != 0 {
		t.Errorf("names of the first image: got %v, want none", got.Names)
	}
	byDigest := srv.Host + "/multi@" + index
	tl.must(t, pullOf(byDigest))
	if got := tl.lookup(t, byDigest); got.ID != amdB.ID() {
		t.Errorf("by the index's digest: got %s", got.ID)
	}
	req.Platform = "linux/s390x"
	tl.fails(t, req, imagecall.FailOther, "s390x")
}

func TestPullByDigestAndShortNames(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	srv.Push(t, "library/thing", "latest", b)
	srv.Push(t, "elsewhere/other", "latest", b)
	tl.conf = write(t, filepath.Join(t.TempDir(), "r.conf"), fmt.Sprintf(
		"unqualified-search-registries = [%q]\n[aliases]\nnick = %q\n[[registry]]\nprefix = \"docker.io\"\nlocation = %q\ninsecure = true\n",
		srv.Host, srv.Host+"/elsewhere/other", srv.Host))
	tl.must(t, pullOf("library/thing"))
	tl.must(t, pullOf("docker.io/thing"))
	tl.must(t, pullOf("nick"))
	rec := tl.lookup(t, "thing")
	want := []string{srv.Host + "/elsewhere/other:latest", srv.Host + "/library/thing:latest", "docker.io/library/thing:latest"}
	for _, name := range want {
		if !strings.Contains(strings.Join(rec.Names, " "), name) {
			t.Errorf("names: got %v, want %v", rec.Names, want)
		}
	}
	digest := registry.Digest(b.Manifest)
	tl.must(t, pullOf(srv.Host+"/library/thing:latest@"+digest))
	tl.fails(t, pullOf(srv.Host+"/library/thing@sha256:"+strings.Repeat("0", 64)), imagecall.FailNotFound, "manifest unknown")
}

func TestPullFromMirror(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	srv.Push(t, "mirrored/img", "1", b)
	tl.conf = write(t, filepath.Join(t.TempDir(), "r.conf"), fmt.Sprintf(
		"[[registry]]\nlocation = \"registry.invalid\"\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", srv.Host+"/mirrored"))
	tl.must(t, pullOf("registry.invalid/img:1"))
	if got := tl.lookup(t, "registry.invalid/img:1"); got.ID != b.ID() {
		t.Errorf("got %s, want %s", got.ID, b.ID())
	}
}

func TestPullPolicies(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	name := srv.Host + "/p:1"
	pull := func(policy string) imagecall.Request {
		req := pullOf(name)
		req.Policy = policy
		return req
	}
	tl.fails(t, pull("never"), imagecall.FailNotFound, name+": image not known")
	tl.fails(t, pull("sometimes"), imagecall.FailOther, `unsupported pull policy "sometimes"`)
	old, changed := simple(t, "gzip").Build(t), simple(t, "gzip", "gzip").Build(t)
	srv.Push(t, "p", "1", old)
	tl.must(t, pull("missing"))
	srv.Push(t, "p", "1", changed)
	for _, policy := range []string{"missing", "never"} {
		tl.must(t, pull(policy))
		if got := tl.lookup(t, name); got.ID != old.ID() {
			t.Errorf("%s: got %s, want the old image", policy, got.ID)
		}
	}
	if res := tl.must(t, pull("newer")); res.Images[0].ID != changed.ID() || !res.Images[0].Changed {
		t.Errorf("newer: got %+v, want the changed image", res.Images)
	}
	srv.Push(t, "p", "1", old)
	if res := tl.must(t, pull("always")); res.Images[0].ID != old.ID() {
		t.Errorf("always: got %+v, want the old image", res.Images)
	}
	srv.Stop()
	if res := tl.must(t, pull("newer")); res.Images[0].ID != old.ID() {
		t.Errorf("newer without a registry: got %+v", res.Images)
	}
	tl.fails(t, pull("always"), imagecall.FailOther, "connection refused")
}

func TestPullFailuresAreOneLineAndLeaveNothing(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := simple(t, "gzip", "gzip").Build(t)
	srv.Push(t, "bad", "1", b)
	for _, c := range []struct{ ref, kind, want string }{
		{srv.Host + "/none:1", imagecall.FailNotFound, fmt.Sprintf("cannot pull %q: manifest unknown", srv.Host+"/none:1")},
		{"127.0.0.1:1/x", imagecall.FailOther, "pinging container registry 127.0.0.1:1: connection refused"},
		{"registry.invalid/x", imagecall.FailOther, "no such host"},
		{"UPPER", imagecall.FailUsage, "repository name must be lowercase"},
		{"a@sha256:12", imagecall.FailUsage, "invalid reference"},
	} {
		tl.fails(t, pullOf(c.ref), c.kind, c.want)
	}
	damage(t, srv.Blob(registry.Digest(b.Blobs[1])))
	tl.fails(t, pullOf(srv.Host+"/bad:1"), imagecall.FailOther, "Digest did not match")
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
	tl.empty(t)

	b = simple(t, "gzip", "").Build(t)
	srv.Push(t, "bad", "2", b)
	damage(t, srv.Blob(registry.Digest(b.Manifest)))
	res := tl.call(t, pullOf(srv.Host+"/bad@"+registry.Digest(b.Manifest)))
	if len(res.Failures) != 1 {
		t.Errorf("a manifest that does not fit its digest: got %+v", res)
	}
	tl.empty(t)
}

// damage changes one byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPullWithWrongDiffIDIsRefused(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	// The layer is what the manifest says, and not what the configuration says.
	other := simple(t, "gzip", "gzip").Build(t)
	b.Manifest = []byte(strings.Replace(string(b.Manifest), registry.Digest(b.Blobs[0]), registry.Digest(other.Blobs[1]), 1))
	b.Manifest = []byte(strings.Replace(string(b.Manifest), fmt.Sprintf(`"size":%d`, len(b.Blobs[0])), fmt.Sprintf(`"size":%d`, len(other.Blobs[1])), 1))
	b.Blobs = [][]byte{other.Blobs[1]}
	srv.Push(t, "swapped", "1", b)
	res := tl.call(t, pullOf(srv.Host+"/swapped:1"))
	if len(res.Failures) != 1 {
		t.Fatalf("got %+v, want a failure", res)
	}
	t.Log(res.Failures[0].Message)
	tl.must(t, imagecall.Request{Op: imagecall.OpRemove, All: true})
	tl.empty(t)
}

func TestPolicyRejects(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	srv.Push(t, "pol", "1", simple(t, "gzip").Build(t))
	tl.policy = write(t, filepath.Join(t.TempDir(), "policy.json"), `{"default":[{"type":"reject"}]}`)
	tl.fails(t, pullOf(srv.Host+"/pol:1"), imagecall.FailOther, "rejected by policy")
	tl.empty(t)
}

func TestPullAllTags(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	b := simple(t, "gzip").Build(t)
	for _, tag := range []string{"1", "2", "3"} {
		srv.Push(t, "tags", tag, b)
	}
	req := pullOf(srv.Host + "/tags")
	req.AllTags = true
	if res := tl.must(t, req); len(res.Images) != 3 {
		t.Errorf("got %+v, want three", res.Images)
	}
	if rec := tl.lookup(t, b.ID()[:12]); len(rec.Names) != 3 {
		t.Errorf("got %v, want three names", rec.Names)
	}
}

// A fresh machine has none of the ecosystem's files.
func TestPullWithoutAnyConfiguration(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	srv.Push(t, "fresh", "1", simple(t, "gzip").Build(t))
	tl := newTool(t)
	tl.bare = true
	res := tl.started(t, pullOf(srv.Host+"/fresh:1"), func(c *exec.Cmd) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c.Path = "/bin/sh"
		c.Args = []string{"sh", "-c", `for d in /etc/containers /usr/share/containers; do ! [ -d $d ] || mount -t tmpfs none $d; done; exec "$0"`, self}
		c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		c.Env = []string{asTool + "=1", "PATH=" + os.Getenv("PATH")}
	}).result(t)
	if len(res.Failures) > 0 {
		t.Fatal(res.Failures)
	}
	tl.lookup(t, srv.Host+"/fresh:1")
}
