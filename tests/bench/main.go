// Command bench compares skiff with Debian's podman, runc, skopeo, buildah and docker.io on this
// machine, in one run, and prints the budgets of the design with what was
// measured. Contestants take turns, so that a slow moment of the machine hits
// them alike; the figures are medians, the ratios medians of the pairs' ratios.
// Usage: bench -skiff bin/skiff [-rounds 15] [-containers 1000] [-only REGEXP]
//
// It runs as root, in a network namespace of its own, and leaves nothing behind.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// bench is what all measurements share.
type bench struct {
	skiff      string // the program
	top        string // directory of everything that is made
	rounds     int
	containers int
	only       *regexp.Regexp
	bare       string // a Go program that does nothing
	podman     bool   // there is a podman that can run containers
	podmanNet  bool   // it can make bridges, too
	runc       bool
	missed     int
}

func main() {
	b := &bench{}
	skiff := flag.String("skiff", "bin/skiff", "the program")
	only := flag.String("only", "", "rows to measure, by a regular expression")
	flag.IntVar(&b.rounds, "rounds", 15, "pairs per row")
	flag.IntVar(&b.containers, "containers", 1000, "containers to list")
	flag.Parse()
	b.only = regexp.MustCompile(*only)
	runtime.LockOSThread() // the network namespace is this thread's
	err := b.prepare(*skiff)
	if err == nil {
		err = b.measure()
	}
	b.cleanUp()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if b.missed > 0 {
		fmt.Printf("%d budgets missed\n", b.missed)
	}
}

// measure takes all rows in the order of the design's table.
func (b *bench) measure() error {
	fmt.Printf("%-38s %10s %10s %8s   %s\n", "", "skiff", "peer", "ratio", "budget")
	for _, row := range []struct {
		name string
		take func(string) error
	}{
		{"run --rm --network none", b.runNone},
		{"run --rm with bridge and port", b.runBridge},
		{"exec", b.exec},
		{"process start: version", b.version},
		{"ps and inspect", b.list},
		{"syncs and programs of a run", b.trace},
		{"16 runs at once", b.together},
		{"idle memory", b.memory},
		{"memory after 1000 health checks", b.checked},
		{"throughput", b.traffic},
		{"pull", b.pull},
		{"ps -a of many", b.many},
		{"build", b.builds},
	} {
		if !b.only.MatchString(row.name) {
			continue
		}
		if err := row.take(row.name); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return nil
}

func (b *bench) prepare(skiff string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("must be run as root")
	}
	var err error
	if b.skiff, err = filepath.Abs(skiff); err != nil {
		return err
	}
	if b.top, err = os.MkdirTemp("/var/tmp", "skiff-bench-"); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("cannot make a network namespace: %w", err)
	}
	if err := run("ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	for _, step := range []func() error{b.makeBare, b.loadSkiff, b.makeBundle, b.loadPodman} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// makeBare builds the program that the starts are compared with.
func (b *bench) makeBare() error {
	dir := filepath.Join(b.top, "bare")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"main.go": "package main\n\nfunc main() {}\n", "go.mod": "module bare\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	b.bare = filepath.Join(dir, "bare")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", b.bare, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build a bare program: %w: %s", err, out)
	}
	return nil
}

func (b *bench) cleanUp() {
	if b.top == "" {
		return
	}
	b.quiet(b.sk("rm", "-a", "-f", "-t", "0"))
	if b.podman {
		b.quiet(b.pm("rm", "-a", "-f", "-t", "0"))
		b.quiet(b.pm("rmi", "-a", "-f"))
	}
	// podman leaves its storage mounted on itself.
	unix.Unmount(filepath.Join(b.top, "podman/root/overlay"), unix.MNT_DETACH)
	unix.Unmount(filepath.Join(b.top, "podman/buildah/overlay"), unix.MNT_DETACH)
	unix.Unmount(filepath.Join(b.top, "skopeo/root/overlay"), unix.MNT_DETACH)
	for range 20 {
		if os.RemoveAll(b.top) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "bench: cannot remove", b.top)
}
