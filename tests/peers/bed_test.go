package peers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/tests/images"
)

// Where Debian's package docker.io puts its programs.
const (
	dockerClient = "/usr/bin/docker"
	dockerDaemon = "/usr/sbin/dockerd"
)

// daemon is dockerd with all it starts: the init of a process namespace, so
// that nothing of it outlives it, in a mount namespace, so that its mounts go
// with it.
const daemon = `
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir /run/lock || exit 1
dockerd --data-root TOP/data --exec-root TOP/exec --pidfile TOP/pid -H unix://TOP/sock --cgroup-parent /CGROUP &
wait`

// newDocker starts the peer. It ends with the test.
func newDocker(t *testing.T) *engine {
	t.Helper()
	for _, file := range []string{dockerClient, dockerDaemon} {
		if _, err := os.Stat(file); err != nil {
			t.Skip("docker is not installed (Debian: docker.io)")
		}
	}
	e := newEngine(t, "docker", dockerClient+" -H unix://TOP/sock")
	for _, tool := range []string{"iptables", "ip6tables"} {
		// Docker 20.10 wants the old tables where a machine has both.
		if old, err := exec.LookPath(tool + "-legacy"); err == nil {
			if err := os.Symlink(old, filepath.Join(e.top, "bin", tool)); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.startDaemon(t)
	return e
}

func (e *engine) startDaemon(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(e.top, "daemon.log"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cgroup := filepath.Base(e.top)
	cmd := exec.Command("sh", "-c", strings.NewReplacer("TOP", e.top, "CGROUP", cgroup).Replace(daemon))
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = e.env(), log, log, "/"
	pidfd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd,
	}
	e.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil {
			t.Errorf("cannot end dockerd: %v", err)
		}
		_ = cmd.Wait() // it was killed
		unix.Close(pidfd)
		removeCgroups(t, cgroup)
	})
	for deadline := time.Now().Add(time.Minute); ; {
		if e.run("docker version").exit == 0 {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("dockerd does not answer:\n%s", text)
		}
	}
}

// removeCgroups takes away the cgroups of containers that were killed with
// their engine.
func removeCgroups(t *testing.T, name string) {
	t.Helper()
	var dirs []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "/"+name) {
			dirs = append(dirs, path)
		}
		return nil
	})
	for deadline := time.Now().Add(10 * time.Second); len(dirs) > 0; {
		dir := dirs[len(dirs)-1] // the innermost first
		err := os.Remove(dir)
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
			dirs = dirs[:len(dirs)-1]
		case time.Now().After(deadline):
			t.Errorf("left behind: %v", err)
			return
		}
	}
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
