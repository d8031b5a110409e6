package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"skiff/tests/images"
	"skiff/tests/registry"
)

func (b *bench) runNone(string) error {
	all := []contestant{func() *exec.Cmd { return b.sk("run", "--rm", "--network", "none", busybox, "true") }}
	if b.runc {
		n := 0
		all = append(all, func() *exec.Cmd { n++; return b.rc("run", "bench"+strconv.Itoa(n)) })
	}
	if b.podman {
		all = append(all, func() *exec.Cmd { return b.pm("run", "--rm", "--network", "none", busybox, "true") })
	}
	times, err := b.duel(all...)
	if err != nil {
		return err
	}
	b.peers("run --rm --network none", times, 1.0, 0.15)
	return nil
}

// peers prints the rows against runc and podman, as far as they took part.
func (b *bench) peers(what string, times [][]float64, runc, podman float64) {
	next := 1
	if b.runc {
		b.against(what+": runc", times[0], times[next], runc)
		next++
	}
	if b.podman {
		b.against(what+": podman", times[0], times[next], podman)
		next++
	}
	if next == 1 {
		b.row(what, fmt.Sprintf("%.1f ms", median(times[0])), "-", "-", "-", true)
	}
}

func (b *bench) runBridge(string) error {
	all := []contestant{func() *exec.Cmd { return b.sk("run", "--rm", "-p", "18080:80", busybox, "true") }}
	if b.podmanNet {
		all = append(all, func() *exec.Cmd { return b.pm("run", "--rm", "-p", "18081:80", busybox, "true") })
	}
	times, err := b.duel(all...)
	if err != nil {
		return err
	}
	if !b.podmanNet {
		b.row("run --rm -p", fmt.Sprintf("%.1f ms", median(times[0])), "-", "-", "-", true)
		return nil
	}
	b.against("run --rm -p: podman", times[0], times[1], 0.15)
	return nil
}

func (b *bench) exec(string) error {
	if err := done(b.sk("run", "-d", "--name", "box", "--network", "none", busybox, "sleep", "100000")); err != nil {
		return err
	}
	defer b.quiet(b.sk("rm", "-f", "-t", "0", "box"))
	all := []contestant{func() *exec.Cmd { return b.sk("exec", "box", "true") }}
	if b.runc {
		end, err := b.runcBox()
		if err != nil {
			return err
		}
		defer end()
		all = append(all, func() *exec.Cmd { return b.rc("exec", "box", "true") })
	}
	if b.podman {
		if err := done(b.pm("run", "-d", "--name", "box", "--network", "none", busybox, "sleep", "100000")); err != nil {
			return err
		}
		defer b.quiet(b.pm("rm", "-f", "-t", "0", "box"))
		all = append(all, func() *exec.Cmd { return b.pm("exec", "box", "true") })
	}
	times, err := b.duel(all...)
	if err != nil {
		return err
	}
	b.peers("exec", times, 1.0, 0.15)
	return nil
}

// runcBox starts a container of runc's that sleeps.
func (b *bench) runcBox() (end func(), err error) {
	file := b.top + "/bundle/config.json"
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	defer os.WriteFile(file, data, 0o644)
	sleeping := strings.Replace(string(data), `"args":["true"]`, `"args":["sleep","100000"]`, 1)
	if err := os.WriteFile(file, []byte(sleeping), 0o644); err != nil {
		return nil, err
	}
	if err := b.rc("run", "-d", "box").Run(); err != nil {
		return nil, fmt.Errorf("runc run -d: %w", err)
	}
	return func() { b.quiet(b.rc("delete", "-f", "box")) }, nil
}

func (b *bench) version(string) error {
	times, err := b.duel(func() *exec.Cmd { return b.sk("version") }, func() *exec.Cmd { return exec.Command(b.bare) })
	if err != nil {
		return err
	}
	b.above("version: bare Go program", times[0], times[1], 2)
	return nil
}

func (b *bench) list(string) error {
	if err := done(b.sk("run", "-d", "--name", "box", "--network", "none", busybox, "sleep", "100000")); err != nil {
		return err
	}
	defer b.quiet(b.sk("rm", "-f", "-t", "0", "box"))
	times, err := b.duel(func() *exec.Cmd { return b.sk("ps") }, func() *exec.Cmd { return b.sk("inspect", "box") },
		func() *exec.Cmd { return exec.Command(b.bare) })
	if err != nil {
		return err
	}
	b.above("ps: bare Go program", times[0], times[2], 4)
	b.above("inspect: bare Go program", times[1], times[2], 4)
	return nil
}

// trace counts syncs and programs with strace.
func (b *bench) trace(string) error {
	if _, err := exec.LookPath("strace"); err != nil {
		b.row("syncs, programs", "-", "-", "-", "no strace", true)
		return nil
	}
	file := filepath.Join(b.top, "trace")
	cmd := b.sk("run", "--rm", "--network", "none", busybox, "true")
	cmd.Args = append([]string{"strace", "-f", "-qq", "-o", file, "-e", "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync,execve,execveat"}, cmd.Args...)
	cmd.Path, _ = exec.LookPath("strace")
	if err := done(cmd); err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	syncs := len(regexp.MustCompile(`(?m)^\d+ +(f?(data)?sync|syncfs|sync_file_range|msync)\(`).FindAll(data, -1))
	// The first is skiff itself, and one is the container's own.
	programs := len(regexp.MustCompile(`(?m)execve(at)?( resumed|\().*= 0$`).FindAll(data, -1)) - 2
	b.row("syncs per run --rm", strconv.Itoa(syncs), "", "", "0", syncs == 0)
	b.row("programs per run --rm beside its own", strconv.Itoa(programs), "", "", "<= 4", programs <= 4)
	return nil
}

func (b *bench) together(string) error {
	const n = 16
	one := func() *exec.Cmd { return b.sk("run", "--rm", "--network", "none", busybox, "true") }
	var single, all, ratios []float64
	for range max(3, b.rounds/3) {
		var alone float64
		for range 5 {
			t, err := clock(one())
			if err != nil {
				return err
			}
			alone += t / 5
		}
		t, err := volley(one, n)
		if err != nil {
			return err
		}
		ideal := alone * n / float64(runtime.NumCPU())
		single, all, ratios = append(single, ideal), append(all, t), append(ratios, t/ideal)
	}
	r := median(ratios)
	b.row("16 runs at once: 16 singles / cores", fmt.Sprintf("%.0f ms", median(all)), fmt.Sprintf("%.0f ms", median(single)),
		fmt.Sprintf("%.2f", r), "<= 1.30", r <= 1.3)
	return nil
}

// volley starts n commands and gives the time until the last one ended.
func volley(one contestant, n int) (float64, error) {
	cmd := exec.Command("sh", "-c", `for i in $(seq $0); do "$@" & done; wait`, strconv.Itoa(n))
	cmd.Args = append(cmd.Args, one().Args...)
	return clock(cmd)
}

// memory reads the monitors' private dirty pages.
func (b *bench) memory(string) error {
	const n = 5
	for i := range n {
		if err := done(b.sk("run", "-d", "--name", "idle"+strconv.Itoa(i), "--network", "none", busybox, "sleep", "100000")); err != nil {
			return err
		}
		defer b.quiet(b.sk("rm", "-f", "-t", "0", "idle"+strconv.Itoa(i)))
	}
	mine := privateDirty(b.top + "/data/programs/monitor")
	if len(mine) != n {
		return fmt.Errorf("found %d monitors, not %d", len(mine), n)
	}
	theirs := "0.33 MB"
	if b.podman {
		for i := range n {
			if err := done(b.pm("run", "-d", "--name", "idle"+strconv.Itoa(i), "--network", "none", busybox, "sleep", "100000")); err != nil {
				return err
			}
			defer b.quiet(b.pm("rm", "-f", "-t", "0", "idle"+strconv.Itoa(i)))
		}
		if conmon := privateDirty("/usr/bin/conmon"); len(conmon) > 0 {
			theirs = fmt.Sprintf("%.2f MB", median(conmon)/1024)
		}
	}
	mb := median(mine) / 1024
	b.row("idle memory per container: conmon", fmt.Sprintf("%.2f MB", mb), theirs, "", "<= 1 MB", mb <= 1)
	return nil
}

// checked measures a monitor after many health checks, which are to leave nothing.
func (b *bench) checked(string) error {
	const n = 1000
	name := "checked"
	if err := done(b.sk("run", "-d", "--name", name, "--network", "none", "--health-cmd", "echo >>/checks", "--health-interval", "1ms",
		busybox, "sleep", "100000")); err != nil {
		return err
	}
	defer b.quiet(b.sk("rm", "-f", "-t", "0", name))
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		out, err := b.sk("exec", name, "sh", "-c", "wc -l </checks").Output()
		if done, _ := strconv.Atoi(strings.TrimSpace(string(out))); done >= n {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("there were only %q checks: %v", out, err)
		}
	}
	mine := privateDirty(b.top + "/data/programs/monitor")
	if len(mine) != 1 {
		return fmt.Errorf("found %d monitors, not one", len(mine))
	}
	mb := mine[0] / 1024
	b.row("memory after 1000 health checks", fmt.Sprintf("%.2f MB", mb), "", "", "<= 1 MB", mb <= 1)
	return nil
}

// privateDirty gives the kilobytes of each process of a program.
func privateDirty(program string) []float64 {
	var all []float64
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		exe, err := os.Readlink(dir + "/exe")
		if err != nil || !strings.HasPrefix(exe, program) {
			continue
		}
		data, _ := os.ReadFile(dir + "/smaps_rollup")
		if m := regexp.MustCompile(`Private_Dirty: +(\d+) kB`).FindSubmatch(data); m != nil {
			kb, _ := strconv.ParseFloat(string(m[1]), 64)
			all = append(all, kb)
		}
	}
	return all
}

// pull compares with skopeo, each into an empty store of the same kind.
func (b *bench) pull(string) error {
	archive, err := images.Httpd()
	if err != nil {
		return err
	}
	dir := filepath.Join(b.top, "registry")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	r, err := registry.Serve(dir, registry.Options{})
	if err != nil {
		return err
	}
	defer r.Stop()
	if err := r.PushArchive(archive, "library/httpd", "latest"); err != nil {
		return err
	}
	image := r.Host + "/library/httpd:latest"
	if _, err := exec.LookPath("skopeo"); err != nil {
		b.row("pull: skopeo", "-", "-", "-", "no skopeo", true)
		return nil
	}
	store := fmt.Sprintf("containers-storage:[overlay@%[1]s/root+%[1]s/run]%[2]s", b.top+"/skopeo", image)
	var mine, theirs []float64
	for range max(3, b.rounds/3) {
		t, err := clock(b.sk("pull", "-q", image))
		if err != nil {
			return err
		}
		mine = append(mine, t)
		if err := done(b.sk("rmi", "-f", image)); err != nil {
			return err
		}
		if t, err = clock(exec.Command("skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+image, store)); err != nil {
			return err
		}
		theirs = append(theirs, t)
		if err := done(exec.Command("skopeo", "delete", store)); err != nil {
			return err
		}
	}
	b.against("pull of 78 MB: skopeo", mine, theirs, 1.0)
	return nil
}

// many lists a lot of containers. Podman needs a tenth of a second to make one,
// so it lists fewer; skiff lists as many for that comparison.
func (b *bench) many(string) error {
	few := min(100, b.containers)
	if err := create(b.sk, "create", few); err != nil {
		return err
	}
	if b.podman {
		if err := create(b.pm, "create", few); err != nil {
			return err
		}
		times, err := b.duel(func() *exec.Cmd { return b.sk("ps", "-a") }, func() *exec.Cmd { return b.pm("ps", "-a") })
		if err != nil {
			return err
		}
		b.against(fmt.Sprintf("ps -a with %d containers: podman", few), times[0], times[1], 0.1)
	}
	if err := create(b.sk, "create", b.containers-few); err != nil {
		return err
	}
	times, err := b.duel(func() *exec.Cmd { return b.sk("ps", "-a") })
	if err != nil {
		return err
	}
	out, err := b.sk("ps", "-aq").Output()
	if n := bytes.Count(out, []byte("\n")); err != nil || n != b.containers {
		return fmt.Errorf("ps -a lists %d containers, not %d (%v)", n, b.containers, err)
	}
	ms := median(times[0])
	b.row(fmt.Sprintf("ps -a with %d containers", b.containers), fmt.Sprintf("%.1f ms", ms), "", "", "<= 50 ms", ms <= 50)
	return nil
}

func create(engine func(...string) *exec.Cmd, verb string, n int) error {
	for range n {
		if err := done(engine(verb, "--network", "none", busybox, "true")); err != nil {
			return err
		}
	}
	return nil
}
