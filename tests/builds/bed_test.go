package builds

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/tests/images"
	"skiff/tests/registry"
)

// inside marks the process that is in namespaces of its own.
const inside = "SKIFF_BUILDS_INSIDE"

// TestMain moves all of this process into a network and a mount namespace of its
// own, which everything that it starts shares: a server on loopback has the same
// address for all builders, and no mount outlives the test.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(inside) == "" {
		if err := moveIn(); err != nil {
			fmt.Fprintln(os.Stderr, "builds:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func moveIn() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(self, os.Args, append(os.Environ(), inside+"=1"))
}

// bed is what all cases of a test share.
type bed struct {
	top      string
	registry *registry.Server
	digest   string // of busybox's manifest there
	bases    map[string]snapshot
	agent    string // socket of an SSH agent
}

// newBed makes a directory with servers for a test.
func newBed(t *testing.T) *bed {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not running as root")
	}
	top, err := os.MkdirTemp("/var/tmp", "sb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmountAll(top)
		if err := os.RemoveAll(top); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
	b := &bed{top: top, bases: map[string]snapshot{}}
	for _, dir := range []string{"bin", "home", "home/.docker", "cases", "out", "served"} {
		if err := os.Mkdir(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.registry = registry.Start(t, registry.Options{})
	for name, mk := range map[string]func() (string, error){"busybox": images.Busybox, "httpd": images.Httpd} {
		archive, err := mk()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.addBase(name, archive); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	b.configure(t)
	b.serve(t)
	b.startAgent(t)
	return b
}

// unmountAll takes away what buildah leaves mounted in its storage.
func unmountAll(top string) {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], top+"/buildah/") {
			_ = unix.Unmount(f[4], unix.MNT_DETACH) // removal says what stays
		}
	}
}

// addBase puts an image's archive into the registry and remembers its files.
func (b *bed) addBase(name, archive string) error {
	if err := b.registry.PushArchive(archive, "library/"+name, "latest"); err != nil {
		return err
	}
	dir, err := b.unpack(archive)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	img, err := readImage(dir)
	if err != nil {
		return err
	}
	b.bases[name] = img.lines(time.Now())
	if name == "busybox" {
		var index struct{ Manifests []struct{ Digest string } }
		if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
			return err
		}
		b.digest = index.Manifests[0].Digest
	}
	return nil
}

// unpack unpacks an image's archive into a new directory.
func (b *bed) unpack(archive string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(b.top, "out"), "")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("tar", "-C", dir, "-xf", archive).CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w: %s", err, out)
	}
	return dir, nil
}

// configure writes the configuration of containers/image, which skiff, buildah and
// skopeo read: the registry on loopback stands for docker.io.
func (b *bed) configure(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{
		"home/.docker/config.json": "{}",
		"registries.conf": "unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nlocation = \"docker.io\"\n" +
			"[[registry.mirror]]\nlocation = \"" + b.registry.Host + "\"\ninsecure = true\n" +
			"[[registry]]\nlocation = \"" + b.registry.Host + "\"\ninsecure = true\n",
		"containers.conf": "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n",
		"policy.json":     `{"default": [{"type": "insecureAcceptAnything"}]}`,
		"buildkitd.toml":  "[registry.\"docker.io\"]\nmirrors = [\"" + b.registry.Host + "\"]\n[registry.\"" + b.registry.Host + "\"]\nhttp = true\n",
	} {
		if err := os.WriteFile(filepath.Join(b.top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// env is what all builders see.
func (b *bed) env() []string {
	return []string{
		"PATH=" + b.top + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + b.top + "/home", "DOCKER_CONFIG=" + b.top + "/home/.docker", "LANG=C.UTF-8", "TZ=UTC", "TERM=dumb",
		"CONTAINERS_CONF=" + b.top + "/containers.conf", "CONTAINERS_REGISTRIES_CONF=" + b.top + "/registries.conf",
		"SSH_AUTH_SOCK=" + b.agent, "FROM_ENVIRONMENT=of the caller", "TMPDIR=" + b.top + "/out",
		"DOCKER_BUILDKIT=1",
	}
}

// startAgent starts an SSH agent with one key.
func (b *bed) startAgent(t *testing.T) {
	t.Helper()
	sock := filepath.Join(b.top, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", sock)
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := agent.Start(); err != nil {
		t.Fatalf("cannot start ssh-agent (Debian: openssh-client): %v", err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait() // it was killed
	})
	b.agent = sock
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(sock); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("ssh-agent made no socket")
		}
	}
}

// old is the time that all files of contexts have.
const old = "2021-02-03T04:05:06Z"

// prepare makes a case's directory, with its context in ctx, and gives its path.
func (b *bed) prepare(k *kase) (string, error) {
	dir := filepath.Join(b.top, "cases", k.name)
	ctx := filepath.Join(dir, "ctx")
	if err := os.MkdirAll(ctx, 0o755); err != nil {
		return "", err
	}
	for _, f := range k.files {
		file := filepath.Join(ctx, f.Name)
		if rest, ok := strings.CutPrefix(f.Name, "@/"); ok {
			file = filepath.Join(dir, rest)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(b.expand(string(f.Data))), 0o644); err != nil {
			return "", err
		}
	}
	script := "set -e; umask 022\n" + k.before + "\nfind .. -exec touch -h -d " + old + " {} +\n"
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = ctx, append(b.env(), "SERVED="+b.top+"/served")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("before: %w: %s", err, out)
	}
	return dir, nil
}

// fileSum is the digest of the served file.txt.
const fileSum = "sha256:c81662749eb30a2c7f6b6b9b1a561a7b0be5cc115759b72442ddb476e7712751"

// expand puts this run's addresses and digests into a text of a case, and reduce
// takes them out of a result.
func (b *bed) expand(text string) string {
	return strings.NewReplacer("@REGISTRY@", b.registry.Host, "@DIGEST@", b.digest, "@FILESUM@", fileSum).Replace(text)
}

func (b *bed) reduce(text string) string {
	return strings.NewReplacer(b.registry.Host, "@REGISTRY@", b.digest, "@DIGEST@", b.top, "@TOP@").Replace(text)
}
