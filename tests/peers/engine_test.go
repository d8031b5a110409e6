package peers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// engine runs lines in a network namespace and directories of its own, with the
// program of one of the two under the name docker.
type engine struct {
	name string
	top  string // bin, home, work and what the engine keeps
	jobs chan func()
}

// newEngine makes the directories and the namespace. wrapper is the shell
// script that stands for docker.
func newEngine(t *testing.T, name, wrapper string) *engine {
	t.Helper()
	top, err := os.MkdirTemp("/var/tmp", "skiff-peers-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
	e := &engine{name: name, top: top, jobs: make(chan func())}
	for _, dir := range []string{"bin", "home", "work"} {
		if err := os.Mkdir(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\nexec timeout --foreground -k 5 60 " + strings.ReplaceAll(wrapper, "TOP", top) + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(top, "bin/docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ready := make(chan error)
	go e.serve(ready)
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(e.jobs) })
	return e
}

// serve does the jobs on one thread in a network namespace of its own. The
// thread is not given back: it ends with its last job.
func (e *engine) serve(ready chan<- error) {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		err = exec.Command("ip", "link", "set", "lo", "up").Run()
	}
	if ready <- err; err != nil {
		return
	}
	for job := range e.jobs {
		job()
	}
}

// do waits until job was done in the engine's namespace.
func (e *engine) do(job func()) {
	done := make(chan struct{})
	e.jobs <- func() {
		defer close(done)
		job()
	}
	<-done
}

// env is what a line sees.
func (e *engine) env() []string {
	return []string{
		"PATH=" + e.top + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + e.top + "/home", "DOCKER_CONFIG=" + e.top + "/home/.docker", "LANG=C.UTF-8", "TZ=UTC", "TERM=xterm",
	}
}

// run gives what a line does.
func (e *engine) run(text string) (r result) {
	var out, errs bytes.Buffer
	e.do(func() {
		cmd := exec.Command("sh", "-c", text)
		cmd.Dir, cmd.Env = filepath.Join(e.top, "work"), e.env()
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			r.exit = exit.ExitCode()
		case err != nil:
			r.exit = -1
			fmt.Fprintln(&errs, err)
		}
	})
	work := filepath.Join(e.top, "work")
	r.stdout = strings.ReplaceAll(out.String(), work, "WORK")
	r.stderr = strings.ReplaceAll(errs.String(), work, "WORK")
	return r
}

// must runs a line that has to succeed.
func (e *engine) must(t *testing.T, text string) string {
	t.Helper()
	r := e.run(text)
	if r.exit != 0 {
		t.Fatalf("%s: %s: exit status %d\n%s%s", e.name, text, r.exit, r.stdout, r.stderr)
	}
	return r.stdout
}

// tidy removes what a scenario made, except the two images.
const tidy = `
ids=$(docker ps -aq) && [ -n "$ids" ] && { docker unpause $ids; docker rm -f -v $ids; }
docker network prune -f
v=$(docker volume ls -q) && [ -n "$v" ] && docker volume rm -f $v
for i in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep -v -x -e busybox:latest -e httpd:latest -e '.*<none>.*'); do docker rmi -f $i; done
d=$(docker images -q -f dangling=true) && [ -n "$d" ] && docker rmi -f $d
docker images --format '{{.Repository}}:{{.Tag}}' | sort | tr '\n' ' '
find . -mindepth 1 -delete
`
