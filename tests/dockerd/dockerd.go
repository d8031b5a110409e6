// Package dockerd starts Debian's Docker, and daemons like it, for tests that
// compare with them: in the caller's network namespace, with nothing that outlives
// them.
//
// Not here: what is compared (tests/peers, tests/builds, tests/bench).
package dockerd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Where Debian's package docker.io puts its programs.
const (
	Client = "/usr/bin/docker"
	Daemon = "/usr/sbin/dockerd"
)

// patience is how long the daemon may take to answer, and the kernel to let go of
// its cgroups.
const patience = time.Minute

// contained begins a daemon's script. It is the init of a process namespace, so
// that nothing of it outlives it, in a mount namespace, so that its mounts go
// with it.
const contained = `
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir /run/lock || exit 1
`

const daemon = `
dockerd --data-root TOP/data --exec-root TOP/exec --pidfile TOP/pid -H unix://TOP/sock --cgroup-parent /CGROUP &
wait`

// Running is a daemon. It is killed by Stop.
type Running struct {
	// Host is its address, as for docker -H.
	Host string

	cmd    *exec.Cmd
	pidfd  int
	cgroup string
}

// Installed says whether there is a Docker to compare with.
func Installed() bool {
	for _, file := range []string{Client, Daemon} {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return true
}

// Start starts Docker, which keeps everything below top, and returns when it
// answers. env is its environment; TOP/bin comes first on its path.
//
// Preconditions:
//   - top has a last part that is unique on this machine
//   - the calling thread is in the network namespace that is to be the daemon's
//     and, since the daemon ends with it, stays as long
func Start(top string, env []string) (*Running, error) {
	if err := oldTables(filepath.Join(top, "bin")); err != nil {
		return nil, err
	}
	return Launch(top, env, daemon, exec.Command(Client, "-H", "unix://"+top+"/sock", "version"))
}

// Launch starts another daemon in the same way, with a shell script in which TOP
// and CGROUP are replaced; it answers when the command succeeds.
func Launch(top string, env []string, script string, ready *exec.Cmd) (*Running, error) {
	log, err := os.OpenFile(filepath.Join(top, "daemon.log"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := &Running{Host: "unix://" + top + "/sock", pidfd: -1, cgroup: filepath.Base(top)}
	r.cmd = exec.Command("sh", "-c", strings.NewReplacer("TOP", top, "CGROUP", r.cgroup).Replace(contained+script))
	r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr, r.cmd.Dir = env, log, log, "/"
	r.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, PidFD: &r.pidfd,
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		again := *ready
		if again.Run() == nil {
			return r, nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return nil, errors.Join(fmt.Errorf("the daemon does not answer:\n%s", text), r.Stop())
		}
	}
}

// oldTables puts the old iptables first on the path: Docker 20.10 wants them where
// a machine has both.
func oldTables(bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, tool := range []string{"iptables", "ip6tables"} {
		if old, err := exec.LookPath(tool + "-legacy"); err == nil {
			if err := os.Symlink(old, filepath.Join(bin, tool)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stop ends the daemon with all it has started.
func (r *Running) Stop() error {
	err := unix.PidfdSendSignal(r.pidfd, unix.SIGKILL, nil, 0)
	if err != nil {
		err = fmt.Errorf("cannot end the daemon: %w", err)
	}
	_ = r.cmd.Wait() // it was killed
	unix.Close(r.pidfd)
	return errors.Join(err, RemoveCgroups(r.cgroup))
}

// RemoveCgroups takes away the cgroups whose name begins with this: those of
// containers that were killed with their engine.
func RemoveCgroups(name string) error {
	var dirs []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "/"+name) {
			dirs = append(dirs, path)
		}
		return nil
	})
	for deadline := time.Now().Add(patience); len(dirs) > 0; {
		dir := dirs[len(dirs)-1] // the innermost first
		err := os.Remove(dir)
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
			dirs = dirs[:len(dirs)-1]
		case time.Now().After(deadline):
			return fmt.Errorf("left behind: %w", err)
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}
