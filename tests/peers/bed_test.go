package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"skiff/tests/dockerd"
	"skiff/tests/images"
)

// newDocker starts the peer. It ends with the test.
func newDocker(t *testing.T) *engine {
	t.Helper()
	if !dockerd.Installed() {
		t.Skip("docker is not installed (Debian: docker.io)")
	}
	e := newEngine(t, "docker", dockerd.Client+" -H unix://TOP/sock")
	var docker *dockerd.Running
	var err error
	e.do(func() { docker, err = dockerd.Start(e.top, e.env()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := docker.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// newSkiff is the program under test, called as docker.
func newSkiff(t *testing.T) *engine {
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
	e := newEngine(t, "skiff", "TOP/link/docker --root TOP/data --runroot TOP/run")
	if err := os.Mkdir(filepath.Join(e.top, "link"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(e.top, "link/docker")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.run(tidy) })
	return e
}

// loadImages gives both engines the same images. Docker 20.10 does not read the
// archives that tests/images makes.
func loadImages(t *testing.T, engines ...*engine) {
	t.Helper()
	for name, make := range map[string]func() (string, error){"busybox": images.Busybox, "httpd": images.Httpd} {
		archive, err := make()
		if err != nil {
			t.Fatal(err)
		}
		old := filepath.Join(t.TempDir(), name+".tar")
		out, err := exec.Command("skopeo", "copy", "-q", "oci-archive:"+archive,
			fmt.Sprintf("docker-archive:%s:docker.io/library/%s:latest", old, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo: %v\n%s", err, out)
		}
		for _, e := range engines {
			e.must(t, "docker load -q -i "+old)
		}
	}
}
