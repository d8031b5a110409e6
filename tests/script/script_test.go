// Package script runs the command line tests: testdata/*/NAME.txtar, in
// testscript's language plus the commands of commands_test.go.
//
// Each script has its own pair of roots, its own home directory and, as root,
// its own network namespace, in which $SKIFF finds no other engine's rules and
// every port is free. SKIFF_TIER chooses the directories:
//
//	root      any, local, root      as root on this machine (the default)
//	systemd   any, systemd          as root under systemd with pure cgroup v2
//	rootless  any, local, rootless  as an ordinary user
//
// local has what is the same with every kind of cgroups and service manager: the
// machine of the systemd tier is a slow one.
//
// Every script ends with `leaks`, which asserts that nothing of it is left.
package script

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"skiff/tests/leaks"
)

// Directories of scripts per tier.
func tierDirs() map[string][]string {
	return map[string][]string{
		"root":     {"any", "local", "root"},
		"systemd":  {"any", "systemd"},
		"rootless": {"any", "local", "rootless"},
	}
}

func tier() string {
	if t := os.Getenv("SKIFF_TIER"); t != "" {
		return t
	}
	return "root"
}

// program is the skiff to test.
func program(t testing.TB) string {
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
	return path
}

func TestScripts(t *testing.T) {
	if tier() != "rootless" && os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	dirs, ok := tierDirs()[tier()]
	if !ok {
		t.Fatalf("no tier %q", tier())
	}
	var files []string
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("no scripts for tier %s", tier())
	}
	skiff := program(t)
	t.Setenv("SKIFF", skiff)
	deadline, _ := t.Deadline()
	testscript.Run(t, testscript.Params{
		Files:     files,
		Setup:     func(env *testscript.Env) error { return setup(env, skiff) },
		Cmds:      commands(),
		Condition: condition,
		Deadline:  deadline,
		// For trying scripts against an engine that is not finished.
		ContinueOnError: os.Getenv("SKIFF_CONTINUE") != "",
	})
}

// wrapper is `skiff` in a script: the program under test with the script's
// roots. timeout ends what hangs, so that the script fails with its output.
const wrapper = `#!/bin/sh
exec timeout --foreground -k 5 "${SKIFF_TIMEOUT:-100}" %s --root "$ROOT" --runroot "$RUNROOT" "$@"
`

// setup gives a script its roots, its environment and its network namespace.
func setup(env *testscript.Env, skiff string) error {
	top, err := makeTop(env)
	if err != nil {
		return err
	}
	for _, dir := range []string{"bin", "home", "data", "run"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			return err
		}
	}
	file := filepath.Join(top, "bin/skiff")
	if err := os.WriteFile(file, fmt.Appendf(nil, wrapper, skiff), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"containers.conf": "", "registries.conf": "unqualified-search-registries = [\"docker.io\"]\n",
		"policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	env.Setenv("PATH", filepath.Join(top, "bin")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	env.Setenv("HOME", filepath.Join(top, "home"))
	env.Setenv("TOP", top)
	env.Setenv("ROOT", filepath.Join(top, "data"))
	env.Setenv("RUNROOT", filepath.Join(top, "run"))
	env.Setenv("SKIFF", skiff)
	env.Setenv("CONTAINERS_CONF", filepath.Join(top, "containers.conf"))
	env.Setenv("CONTAINERS_REGISTRIES_CONF", filepath.Join(top, "registries.conf"))
	env.Setenv("TERM", "xterm")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && tier() == "rootless" {
		env.Setenv("XDG_RUNTIME_DIR", dir)
		env.Setenv("USER", os.Getenv("USER"))
	}
	if os.Geteuid() == 0 {
		return ownNetwork()
	}
	return nil
}

// makeTop makes the directory of the script's roots, short because paths of
// sockets are, and has it cleaned up. It is on a file system that can hold the
// upper directories of overlay mounts.
func makeTop(env *testscript.Env) (string, error) {
	top, err := os.MkdirTemp("/var/tmp", "skiff-s-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(top, 0o755); err != nil {
		return "", err
	}
	mounted := false
	var st unix.Statfs_t
	if err := unix.Statfs(top, &st); err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC && os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", top, "tmpfs", 0, "mode=755"); err != nil {
			return "", fmt.Errorf("cannot mount a tmpfs for the script's roots: %w", err)
		}
		mounted = true
	}
	env.Defer(func() {
		leaks.Kill(top)
		if mounted {
			unix.Unmount(top, unix.MNT_DETACH)
		}
		removeTree(top)
	})
	return top, nil
}

// ownNetwork moves this thread, and with it what the script starts, into a new
// network namespace. The thread is not given back: it ends with the script.
func ownNetwork() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("cannot make a network namespace: %w", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot bring lo up: %s", out)
	}
	return nil
}

// removeTree removes what may belong to other users of a user namespace.
func removeTree(top string) {
	if os.RemoveAll(top) != nil && os.Geteuid() != 0 {
		exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", top).Run()
	}
}

// condition adds [cgroup1], [cgroup2], [ipv6], [tun], [root], [limits], and [vlan]
// and [ipvlan] for kernels that have such devices.
func condition(cond string) (bool, error) {
	switch cond {
	case "cgroup1":
		return exists("/sys/fs/cgroup/memory/memory.limit_in_bytes"), nil
	case "cgroup2":
		data, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
		return strings.Contains(string(data), "memory"), nil
	case "ipv6":
		return exists("/proc/sys/net/ipv6"), nil
	case "tun":
		f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return err == nil, nil
	case "vlan", "ipvlan":
		// Without the device below an unknown kind is all that ip has to complain of.
		out, _ := exec.Command("ip", "link", "add", "name", "skiff-probe", "type", cond).CombinedOutput()
		return !strings.Contains(string(out), "Unknown device type"), nil
	case "root":
		return os.Geteuid() == 0, nil
	case "limits":
		return os.Geteuid() == 0 || delegated(), nil
	}
	return false, fmt.Errorf("no condition %q", cond)
}

// delegated says whether this user was given cgroups: by systemd on cgroup v2,
// or by the test bed, which names them.
func delegated() bool {
	if v2, _ := condition("cgroup2"); v2 {
		return true
	}
	name := os.Getenv("TESTBED_CGROUP")
	return name != "" && unix.Access("/sys/fs/cgroup/memory/"+name, unix.W_OK) == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestScriptsAssertLeaks: a script that makes containers ends by asserting that
// nothing is left of them.
func TestScriptsAssertLeaks(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(data), "\n-- ")
		last := ""
		for line := range strings.Lines(script) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				last = line
			}
		}
		if last != "leaks" {
			t.Errorf("%s ends with %q, not with leaks", file, last)
		}
	}
}
