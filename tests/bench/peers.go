package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"skiff/tests/images"
)

// sk is a skiff command with the bench's roots.
func (b *bench) sk(args ...string) *exec.Cmd {
	return exec.Command(b.skiff, append([]string{"--root", b.top + "/data", "--runroot", b.top + "/run"}, args...)...)
}

// pm is a podman command with storage and configuration of its own.
func (b *bench) pm(args ...string) *exec.Cmd {
	dir := filepath.Join(b.top, "podman")
	cmd := exec.Command("podman", args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "CONTAINERS_CONF="+dir+"/containers.conf",
		"CONTAINERS_STORAGE_CONF="+dir+"/storage.conf", "XDG_CONFIG_HOME="+dir)
	return cmd
}

// rc is a runc command with a state directory of its own.
func (b *bench) rc(args ...string) *exec.Cmd {
	cmd := exec.Command("runc", append([]string{"--root", b.top + "/runc"}, args...)...)
	cmd.Dir = b.top + "/bundle"
	return cmd
}

// run runs a command for its effect.
func run(name string, args ...string) error { return done(exec.Command(name, args...)) }

func done(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// quiet runs a command whose failure does not matter.
func (b *bench) quiet(cmd *exec.Cmd) { _ = cmd.Run() }

func (b *bench) loadSkiff() error {
	archive, err := images.Busybox()
	if err != nil {
		return err
	}
	return done(b.sk("load", "-q", "-i", archive))
}

const podmanConf = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
`

// podmanNetwork chooses netavark where it is there; podman's own choice is made
// by what it finds on disk.
const podmanNetwork = `[network]
network_backend = "netavark"
`

// loadPodman finds out what the podman of this machine can do.
func (b *bench) loadPodman() error {
	if _, err := exec.LookPath("podman"); err != nil {
		return nil
	}
	dir := filepath.Join(b.top, "podman")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	conf := podmanConf
	if _, err := os.Stat("/usr/lib/podman/netavark"); err == nil {
		conf += podmanNetwork
	}
	storage := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", dir+"/root", dir+"/run")
	for name, text := range map[string]string{"containers.conf": conf, "storage.conf": storage} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	archive, err := images.Busybox()
	if err != nil {
		return err
	}
	if err := done(b.pm("load", "-q", "-i", archive)); err != nil {
		fmt.Fprintln(os.Stderr, "bench: no podman:", err)
		return nil
	}
	if err := done(b.pm("run", "--rm", "--network", "none", busybox, "true")); err != nil {
		fmt.Fprintln(os.Stderr, "bench: no podman:", err)
		return nil
	}
	b.podman = true
	if err := done(b.pm("run", "--rm", "-p", "18080:80", busybox, "true")); err != nil {
		fmt.Fprintln(os.Stderr, "bench: podman without bridge:", err)
		return nil
	}
	b.podmanNet = true
	return nil
}

const busybox = images.BusyboxName

// makeBundle makes runc's bundle of the same image.
func (b *bench) makeBundle() error {
	if _, err := exec.LookPath("runc"); err != nil {
		return nil
	}
	bundle := filepath.Join(b.top, "bundle")
	if err := os.MkdirAll(bundle+"/rootfs", 0o755); err != nil {
		return err
	}
	archive, err := images.Busybox()
	if err != nil {
		return err
	}
	if err := unpackLayer(archive, bundle+"/rootfs"); err != nil {
		return err
	}
	if err := done(b.rc("spec")); err != nil {
		return err
	}
	data, err := os.ReadFile(bundle + "/config.json")
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	process := spec["process"].(map[string]any)
	process["terminal"] = false
	process["args"] = []string{"true"}
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	b.runc = true
	return os.WriteFile(bundle+"/config.json", data, 0o644)
}

// unpackLayer unpacks the one layer of the archive.
func unpackLayer(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return fmt.Errorf("%s has no layer", archive)
		}
		if err != nil {
			return err
		}
		zip, err := gzip.NewReader(tr)
		if err != nil {
			continue // not a layer
		}
		cmd := exec.Command("tar", "-x", "-C", dir)
		cmd.Stdin = zip
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot unpack %s: %w: %s", h.Name, err, out)
		}
		return nil
	}
}
