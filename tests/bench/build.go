package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"skiff/tests/dockerd"
	"skiff/tests/images"
	"skiff/tests/registry"
)

// Parts of buildah's time that a build may take. Of BuildKit's in docker.io it may
// take all.
const (
	mostCold    = 0.4
	mostNoop    = 0.1
	mostChanged = 0.2
)

// builder is one of those that build the same Dockerfile.
type builder struct {
	name  string
	build func() *exec.Cmd
	// forget empties the cache of steps; the base image stays.
	forget func() error
}

// builders are set up for the rows about builds.
type builders struct {
	b   *bench
	dir string // the context
	all []builder
}

// builds measures builds of ten RUN steps and a COPY of 50 MB. None of them sets up
// a network for its steps.
func (b *bench) builds(string) error {
	s := &builders{b: b, dir: filepath.Join(b.top, "context")}
	if err := s.context(); err != nil {
		return err
	}
	s.all = []builder{s.skiff()}
	if peer, err := s.buildah(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: no buildah:", err)
	} else {
		s.all = append(s.all, peer)
	}
	peer, end, err := s.buildkit()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no BuildKit:", err)
	} else {
		defer end()
		s.all = append(s.all, peer)
	}
	for _, row := range []struct {
		what    string
		prepare func(round int) error // before each round, for all
		cold    bool
		most    float64
	}{
		{"build, cold", func(int) error { return nil }, true, mostCold},
		{"build, unchanged", func(int) error { return nil }, false, mostNoop},
		{"build, last line changed", s.dockerfile, false, mostChanged},
		{"build, one file changed", s.change, false, mostChanged},
	} {
		times, err := s.duel(row.prepare, row.cold)
		if err != nil {
			return fmt.Errorf("%s: %w", row.what, err)
		}
		s.print(row.what, times, row.most)
	}
	return nil
}

// print shows a row for each peer.
func (s *builders) print(what string, times [][]float64, most float64) {
	for i, c := range s.all {
		switch c.name {
		case "buildah":
			s.b.against(what+": buildah", times[0], times[i], most)
		case "BuildKit":
			s.b.against(what+": BuildKit", times[0], times[i], 1)
		}
	}
	if len(s.all) == 1 {
		s.b.row(what, fmt.Sprintf("%.1f ms", median(times[0])), "-", "-", "-", true)
	}
}

// duel is bench's, with what has to be done before each build and takes no part.
func (s *builders) duel(prepare func(int) error, cold bool) ([][]float64, error) {
	times := make([][]float64, len(s.all))
	for round := range max(4, s.b.rounds/2) {
		if err := prepare(round); err != nil {
			return nil, err
		}
		for i := range s.all {
			if round%2 == 1 {
				i = len(s.all) - 1 - i
			}
			if cold {
				if err := s.all[i].forget(); err != nil {
					return nil, err
				}
			}
			t, err := clock(s.all[i].build())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.all[i].name, err)
			}
			if round > 0 {
				times[i] = append(times[i], t)
			}
		}
	}
	return times, nil
}

// context makes the files: 500 of 100 kB, whose content no two runs share.
func (s *builders) context() error {
	for i := range 500 {
		dir := filepath.Join(s.dir, "data", fmt.Sprint(i%10))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := s.random(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	return s.dockerfile(0)
}

func (s *builders) random(file string) error {
	data := make([]byte, 100_000)
	rand.Read(data)
	return os.WriteFile(file, data, 0o644)
}

// dockerfile writes it with a last line of its own.
func (s *builders) dockerfile(round int) error {
	var t strings.Builder
	t.WriteString("FROM busybox\n")
	for i := range 9 {
		fmt.Fprintf(&t, "RUN echo %d >/step%d\n", i, i)
	}
	fmt.Fprintf(&t, "COPY data /data\nRUN echo %d >/last\n", round)
	return os.WriteFile(filepath.Join(s.dir, "Dockerfile"), []byte(t.String()), 0o644)
}

func (s *builders) change(int) error { return s.random(filepath.Join(s.dir, "data/3/33")) }

func (s *builders) skiff() builder {
	return builder{
		name: "skiff",
		build: func() *exec.Cmd {
			return s.b.sk("build", "-q", "--network", "host", "-t", "bench-build", s.dir)
		},
		forget: func() error {
			s.b.quiet(s.b.sk("rmi", "-f", "bench-build"))
			return os.RemoveAll(filepath.Join(s.b.top, "data/builds"))
		},
	}
}

func (s *builders) buildah() (builder, error) {
	if _, err := exec.LookPath("buildah"); err != nil {
		return builder{}, err
	}
	dir := filepath.Join(s.b.top, "podman") // its configuration is buildah's, too
	call := func(args ...string) *exec.Cmd {
		cmd := exec.Command("buildah", append([]string{"--root", dir + "/buildah", "--runroot", dir + "/buildah-run", "--storage-driver", "overlay"}, args...)...)
		cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+dir+"/containers.conf", "CONTAINERS_REGISTRIES_CONF="+dir+"/registries.conf")
		return cmd
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return builder{}, err
	}
	if err := os.WriteFile(dir+"/registries.conf", []byte("unqualified-search-registries = [\"docker.io\"]\n"), 0o644); err != nil {
		return builder{}, err
	}
	archive, err := images.Busybox()
	if err != nil {
		return builder{}, err
	}
	if err := done(call("pull", "-q", "oci-archive:"+archive)); err != nil {
		return builder{}, err
	}
	build := func() *exec.Cmd {
		return call("bud", "-q", "--layers", "--pull-never", "--network", "host", "-t", "bench-build", s.dir)
	}
	return builder{name: "buildah", build: build, forget: func() error {
		s.b.quiet(call("rmi", "-f", "bench-build"))
		return done(call("rmi", "--prune"))
	}}, done(build())
}

// buildkit is the one inside Debian's docker.io.
func (s *builders) buildkit() (builder, func(), error) {
	if !dockerd.Installed() {
		return builder{}, nil, fmt.Errorf("docker.io is not installed")
	}
	top := filepath.Join(s.b.top, "d"+filepath.Base(s.b.top))
	if err := os.MkdirAll(top+"/bin", 0o755); err != nil {
		return builder{}, nil, err
	}
	env := append(os.Environ(), "PATH="+top+"/bin:"+os.Getenv("PATH"))
	d, err := dockerd.Start(top, env)
	if err != nil {
		return builder{}, nil, err
	}
	end := func() {
		if err := d.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	call := func(args ...string) *exec.Cmd {
		cmd := exec.Command(dockerd.Client, append([]string{"-H", d.Host}, args...)...)
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1", "DOCKER_CONFIG="+top)
		return cmd
	}
	if err := s.pull(call); err != nil {
		end()
		return builder{}, nil, err
	}
	build := func() *exec.Cmd { return call("build", "-q", "--network", "host", "-t", "bench-build", s.dir) }
	return builder{name: "BuildKit", build: build, forget: func() error {
		s.b.quiet(call("rmi", "-f", "bench-build"))
		return done(call("builder", "prune", "-a", "-f"))
	}}, end, nil
}

// pull gives Docker the base, which it does not load from the archive.
func (s *builders) pull(call func(...string) *exec.Cmd) error {
	dir := filepath.Join(s.b.top, "base")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	r, err := registry.Serve(dir, registry.Options{})
	if err != nil {
		return err
	}
	defer r.Stop()
	archive, err := images.Busybox()
	if err != nil {
		return err
	}
	if err := r.PushArchive(archive, "library/busybox", "latest"); err != nil {
		return err
	}
	name := r.Host + "/library/busybox:latest"
	if err := done(call("pull", "-q", name)); err != nil {
		return err
	}
	return done(call("tag", name, "busybox:latest"))
}
