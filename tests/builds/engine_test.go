package builds

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skiff/tests/dockerd"
	"skiff/tests/leaks"
)

// patience is how long one build may take.
const patience = 3 * time.Minute

// engine is a builder.
type engine struct {
	name string
	bed  *bed
	// build gives the command that builds the case in dir, and makes an image that
	// save puts into a directory.
	build func(k *kase, dir string) []string
	save  func(k *kase, into string) []string
	// archive says that save writes an archive to unpack.
	archive bool
}

// run runs a command of an engine.
func (e *engine) run(dir string, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, e.bed.env()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", e.name, strings.Join(args, " "), err)
	}
	return out.String(), err
}

// result is what a builder made of a case: an image, or messages.
type result struct {
	image  *image
	lines  snapshot
	output string
	failed error
}

// make builds a case that was prepared in dir.
func (e *engine) make(k *kase, dir string) (*result, error) {
	since := time.Now().Add(-24 * time.Hour)
	out, err := e.run(dir, e.build(k, dir))
	if err != nil {
		return &result{output: e.bed.reduce(out), failed: err}, nil
	}
	into, err := os.MkdirTemp(filepath.Join(e.bed.top, "out"), "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(into)
	saved := filepath.Join(into, "image")
	if out, err := e.run(dir, e.save(k, saved)); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	if e.archive {
		if saved, err = e.bed.unpack(saved); err != nil {
			return nil, err
		}
		defer os.RemoveAll(saved)
	}
	img, err := readImage(saved)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	r := &result{image: img, lines: snapshot{}, output: out}
	base := e.bed.bases[k.base]
	for key, v := range img.lines(since).less(base) {
		r.lines[key] = e.bed.reduce(v)
	}
	return r, nil
}

// program is skiff.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SKIFF")
	if path == "" {
		path = "../../bin/skiff"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no program to test: %v (run make build)", err)
	}
	t.Setenv("SKIFF", path)
	return path
}

// newSkiff is the builder under test. When the test ends nothing but images may be
// left of it.
func newSkiff(t *testing.T, b *bed) *engine {
	t.Helper()
	top := filepath.Join(b.top, "skiff")
	for _, dir := range []string{"data", "run"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	call := []string{program(t), "--root", top + "/data", "--runroot", top + "/run"}
	e := &engine{name: "skiff", bed: b}
	e.build = func(k *kase, dir string) []string {
		return append(append(append([]string{}, call...), "build", "--progress", "plain", "-t", "case-"+k.name), append(k.flags, "ctx")...)
	}
	e.save = func(k *kase, into string) []string {
		return append(append([]string{}, call...), "save", "-q", "--format", "oci-dir", "-o", into, "case-"+k.name)
	}
	t.Cleanup(func() {
		// It takes away the bridge that the next container would use again, too.
		if out, err := e.run(b.top, append(append([]string{}, call...), "rm", "-a", "-f", "-t", "0")); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		for _, line := range leaks.Left(top, leaks.Containers(top)) {
			t.Errorf("left behind: %s", line)
		}
		leaks.Kill(top)
	})
	return e
}

// newBuildah is Debian's buildah, with the cache of steps. Its images have Docker's
// format, which has a place for all fields.
func newBuildah(t *testing.T, b *bed) *engine {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Skip("buildah is not installed")
	}
	top := filepath.Join(b.top, "buildah")
	call := []string{"buildah", "--root", top + "/root", "--runroot", top + "/run", "--storage-driver", "overlay"}
	e := &engine{name: "buildah", bed: b, archive: true}
	e.build = func(k *kase, dir string) []string {
		args := append(append([]string{}, call...), "bud", "--layers", "--format", "docker", "--signature-policy", b.top+"/policy.json", "-t", "case-"+k.name)
		if !strings.Contains(strings.Join(k.flags, " "), "--network") {
			args = append(args, "--network", "host") // its own networks need CNI's programs
		}
		return append(append(args, k.flags...), "ctx")
	}
	e.save = func(k *kase, into string) []string {
		return append(append([]string{}, call...), "push", "-q", "--signature-policy", b.top+"/policy.json", "case-"+k.name, "docker-archive:"+into)
	}
	return e
}

// newDocker is the BuildKit in Debian's docker.io.
func newDocker(t *testing.T, b *bed) *engine {
	t.Helper()
	if !dockerd.Installed() {
		t.Skip("docker is not installed (Debian: docker.io)")
	}
	top := b.daemonTop(t, "docker")
	d, err := dockerd.Start(top, append(b.env(), "PATH="+top+"/bin:"+os.Getenv("PATH")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	e := &engine{name: "docker", bed: b, archive: true}
	call := []string{dockerd.Client, "-H", d.Host}
	for name := range b.bases {
		for _, args := range [][]string{
			{"pull", "-q", b.registry.Host + "/library/" + name},
			{"tag", b.registry.Host + "/library/" + name, name},
		} {
			if out, err := e.run(b.top, append(append([]string{}, call...), args...)); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	e.build = func(k *kase, dir string) []string {
		return append(append(append([]string{}, call...), "build", "--progress", "plain", "-t", "case-"+k.name), append(k.flags, "ctx")...)
	}
	e.save = func(k *kase, into string) []string {
		return append(append([]string{}, call...), "save", "-o", into, "case-"+k.name)
	}
	return e
}

// daemonTop makes a daemon's directory, whose last part is unique.
func (b *bed) daemonTop(t *testing.T, name string) string {
	t.Helper()
	// Short, since sockets are made below it.
	top := filepath.Join(b.top, name[:1]+name[len(name)-1:]+strings.TrimPrefix(filepath.Base(b.top), "sb"))
	if err := os.MkdirAll(filepath.Join(top, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	return top
}
