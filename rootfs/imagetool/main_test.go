package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/store"
	"skiff/state"
	"skiff/state/dirs"
	registry "skiff/tests/registry"
)

// asTool makes the test program be the image tool.
const asTool = "SKIFF_TEST_IMAGE_TOOL"

func TestMain(m *testing.M) {
	if store.Reexec() {
		return
	}
	if os.Getenv(asTool) != "" {
		main()
		return
	}
	// What the machine is configured to do is none of the tests' business.
	for _, v := range []string{"REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_POLICY_JSON"} {
		os.Unsetenv(v)
	}
	setLog("")
	os.Exit(m.Run())
}

// tool is an image store of a test.
type tool struct {
	roots  dirs.Roots
	images layer.Images
	// conf, if set, is registries.conf; policy is policy.json.
	conf, policy string
	// bare leaves both to what the machine has.
	bare bool
}

func newTool(t *testing.T) *tool {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the image store needs root")
	}
	dir := t.TempDir()
	tl := &tool{roots: dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}}
	tl.images = layer.Images{Roots: tl.roots}
	tl.conf = write(t, filepath.Join(dir, "registries.conf"), "")
	tl.policy = write(t, filepath.Join(dir, "policy.json"), `{"default":[{"type":"insecureAcceptAnything"}]}`)
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	return tl
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (tl *tool) complete(req imagecall.Request) *imagecall.Request {
	req.Version, req.Roots = imagecall.Version, tl.roots
	if req.RegistriesConf == "" {
		req.RegistriesConf = tl.conf
	}
	if req.PolicyPath == "" {
		req.PolicyPath = tl.policy
	}
	if tl.bare {
		req.RegistriesConf, req.PolicyPath = "", ""
	}
	req.Quiet = true
	return &req
}

// call carries out a request in this process.
func (tl *tool) call(t *testing.T, req imagecall.Request) *imagecall.Result {
	t.Helper()
	return do(context.Background(), tl.complete(req))
}

// must is call for what has to succeed.
func (tl *tool) must(t *testing.T, req imagecall.Request) *imagecall.Result {
	t.Helper()
	res := tl.call(t, req)
	if len(res.Failures) > 0 {
		t.Fatalf("%s %v: %+v", req.Op, req.Images, res.Failures)
	}
	tl.checkIndex(t)
	return res
}

// fails is call for what has to fail with that in its only message.
func (tl *tool) fails(t *testing.T, req imagecall.Request, kind, text string) *imagecall.Result {
	t.Helper()
	res := tl.call(t, req)
	if len(res.Failures) != 1 {
		t.Fatalf("%s %v: got %d failures, want one with %q: %+v", req.Op, req.Images, len(res.Failures), text, res)
	}
	f := res.Failures[0]
	if f.Kind != kind || !strings.Contains(f.Message, text) || strings.Contains(f.Message, "\n") {
		t.Fatalf("%s %v: got %+v, want kind %q and %q", req.Op, req.Images, f, kind, text)
	}
	tl.checkIndex(t)
	return res
}

// process is an image tool of its own.
type process struct {
	*exec.Cmd
	out *os.File
}

// started carries out a request in a process of its own.
func (tl *tool) started(t *testing.T, req imagecall.Request, change func(*exec.Cmd)) *process {
	t.Helper()
	in, out := pipe(t), pipe(t)
	if err := json.NewEncoder(in[1]).Encode(tl.complete(req)); err != nil {
		t.Fatal(err)
	}
	in[1].Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asTool+"=1")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{in[0], out[1]}
	if change != nil {
		change(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in[0].Close()
	out[1].Close()
	return &process{cmd, out[0]}
}

// result waits for the process's answer and end.
func (p *process) result(t *testing.T) *imagecall.Result {
	t.Helper()
	var res imagecall.Result
	err := json.NewDecoder(p.out).Decode(&res)
	if werr := p.Wait(); err != nil || werr != nil {
		t.Fatalf("no result: %v, %v", err, werr)
	}
	return &res
}

func pipe(t *testing.T) [2]*os.File {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return [2]*os.File{r, w}
}

// checkIndex asserts that records and index agree and that nothing temporary
// is left.
func (tl *tool) checkIndex(t *testing.T) {
	t.Helper()
	recs, err := tl.images.List()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, rec := range recs {
		for _, name := range rec.Names {
			if want[name] != "" {
				t.Errorf("%q is the name of %s and %s", name, want[name], rec.ID)
			}
			want[name] = rec.ID
		}
		for _, dir := range rec.Layers {
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				t.Errorf("image %s: layer %s: %v", rec.ID, dir, err)
			}
		}
	}
	for name, id := range want {
		b, err := os.ReadFile(layer.IndexFile(tl.roots, name))
		if err != nil || strings.TrimSpace(string(b)) != id {
			t.Errorf("index of %q: got %q, %v, want %s", name, b, err, id)
		}
	}
	for _, dir := range []string{tl.roots.Spool(), tl.roots.ImagePulls()} {
		if left := tl.leftIn(t, dir); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
}

// leftIn lists a directory once whatever a killed tool's children held has had
// its chance to be released: a child that was being started when the tool died
// holds the tool's locks until it has come to its own program.
func (tl *tool) leftIn(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	var left []os.DirEntry
	for range 3 {
		if left, _ = os.ReadDir(dir); len(left) == 0 {
			return nil
		}
		if res := tl.started(t, imagecall.Request{Op: imagecall.OpSync}, nil).result(t); len(res.Failures) > 0 {
			t.Fatal(res.Failures)
		}
	}
	return left
}

// empty asserts that there is no image, no record and no layer.
func (tl *tool) empty(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{
		tl.roots.Images() + "/*.json", tl.roots.ImageNames() + "/*", tl.roots.Spool() + "/*",
		tl.roots.Storage() + "/overlay/l/*", tl.roots.Storage() + "/overlay/????????????????????????????????*",
	} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// lookup finds an image as the engine does.
func (tl *tool) lookup(t *testing.T, ref string) *state.Image {
	t.Helper()
	img, _, err := tl.images.Lookup(ref)
	if err != nil {
		t.Fatalf("lookup of %q: %v", ref, err)
	}
	return img
}

// file gives an entry of a layer.
func file(name, content string) registry.File {
	return registry.File{Header: tar.Header{Name: name}, Content: content}
}

// simple is an image of layers with one file each: layer N has the file fN.
func simple(t *testing.T, compressions ...string) registry.Image {
	t.Helper()
	img := registry.Image{Config: map[string]any{"Cmd": []string{"/f0"}, "Env": []string{"A=b"}}}
	for i, c := range compressions {
		img.Layers = append(img.Layers, registry.Layer{
			Tar:         registry.Tar(t, file(fmt.Sprintf("f%d", i), fmt.Sprintf("content %d of %s", i, t.Name()))),
			Compression: c,
		})
	}
	return img
}
