package mounts_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/mounts"
	"skiff/rootfs/imagecall"
	"skiff/state/dirs"
	"skiff/state/memory"
)

func newProvider(t *testing.T) mounts.Provider {
	t.Helper()
	dir := t.TempDir()
	p := mounts.Provider{Roots: dirs.Roots{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}, Cwd: "/work"}
	t.Cleanup(func() {
		if err := memory.Sweep(p.Roots); err != nil {
			t.Error(err)
		}
		for _, d := range []string{p.Roots.BuildSecrets()} {
			if entries, _ := os.ReadDir(d); len(entries) > 0 {
				t.Errorf("left in %s: %v", d, entries)
			}
		}
	})
	return p
}

func resolve(t *testing.T, p mounts.Provider, list ...*instructions.Mount) ([]imagecall.Mount, mounts.Vars, func()) {
	t.Helper()
	got, vars, done, err := mounts.Resolve(t.Context(), list, p)
	if err != nil {
		t.Fatal(err)
	}
	return got, vars, done
}

func ptr[T any](v T) *T { return &v }

func cacheMount(target string, mode instructions.ShareMode) *instructions.Mount {
	return &instructions.Mount{Type: instructions.MountTypeCache, Target: target, CacheSharing: mode}
}

func TestASecretIsAFileInMemoryThatGoes(t *testing.T) {
	p := newProvider(t)
	file := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(file, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SKIFF_TEST_SECRET", "from env")
	p.Secrets = []imagecall.BuildSecret{{ID: "a/key", File: file}, {ID: "env", Env: "SKIFF_TEST_SECRET"}}
	got, vars, done := resolve(t, p,
		&instructions.Mount{Type: instructions.MountTypeSecret, CacheID: "a/key", Mode: ptr(uint64(0o440))},
		&instructions.Mount{Type: instructions.MountTypeSecret, Source: "env", Target: "here"},
		&instructions.Mount{Type: instructions.MountTypeSecret, CacheID: "env", Env: ptr("")},
		&instructions.Mount{Type: instructions.MountTypeSecret, CacheID: "none"},
	)
	if len(got) != 2 || got[0].Target != "/run/secrets/key" || got[1].Target != "/work/here" || !got[0].ReadOnly {
		t.Fatalf("got %+v, want two files", got)
	}
	for i, want := range []string{"hush", "from env"} {
		if data, err := os.ReadFile(got[i].Source); err != nil || string(data) != want {
			t.Errorf("content: got %q, %v; want %q", data, err, want)
		}
	}
	if st, _ := os.Stat(got[0].Source); st.Mode().Perm() != 0o440 {
		t.Errorf("mode: got %v, want 0440", st.Mode())
	}
	if st, _ := os.Stat(got[1].Source); st.Mode().Perm() != 0o400 {
		t.Errorf("mode: got %v, want 0400", st.Mode())
	}
	if data, err := os.ReadFile(vars.File); err != nil || string(data) != "env=from env\x00" || len(vars.Env) != 0 {
		t.Errorf("variables: got %q, %v and %q; want them in the file only", data, err, vars.Env)
	}
	done()
	for _, name := range []string{got[0].Source, got[1].Source, vars.File} {
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

func TestSecretsThatCannotBeShownAreErrors(t *testing.T) {
	p := newProvider(t)
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Secrets = []imagecall.BuildSecret{{ID: "big", File: big}, {ID: "gone", File: big + "x"}, {ID: "unset", Env: "SKIFF_TEST_UNSET"}, {ID: "zero", File: "/proc/self/cmdline"}}
	for id, want := range map[string]string{"missing": "--secret id=missing", "big": "larger than", "gone": "no such file", "unset": "not set", "zero": "a byte"} {
		m := &instructions.Mount{Type: instructions.MountTypeSecret, CacheID: id, Required: true}
		if id == "zero" {
			m.Env = ptr("V")
		}
		if _, _, _, err := mounts.Resolve(t.Context(), []*instructions.Mount{m}, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", id, err, want)
		}
	}
}

func TestACacheStaysAndIsKnownByItsIDAndOwner(t *testing.T) {
	p := newProvider(t)
	got, _, done := resolve(t, p, cacheMount("/var/cache", ""), cacheMount("/same", ""))
	if got[0].Source == got[1].Source {
		t.Errorf("two targets without an id have one cache")
	}
	first := got[0].Source
	if err := os.WriteFile(filepath.Join(first, "f"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	done()
	other := cacheMount("/elsewhere", "")
	other.CacheID = "/var/cache"
	owned := cacheMount("/var/cache", "")
	owned.Mode = ptr(uint64(0o1777))
	got, _, done = resolve(t, p, other, owned)
	defer done()
	if got[0].Source != first {
		t.Errorf("the same id: got %s, want %s", got[0].Source, first)
	}
	if data, _ := os.ReadFile(filepath.Join(got[0].Source, "f")); string(data) != "kept" {
		t.Errorf("content: got %q, want kept", data)
	}
	if st, err := os.Stat(got[1].Source); got[1].Source == first || err != nil || st.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("with a mode: got %s, %v, %v; want another, 1777", got[1].Source, st, err)
	}
}

func TestSharingOfCaches(t *testing.T) {
	p := newProvider(t)
	shared, _, done1 := resolve(t, p, cacheMount("/c", instructions.MountSharingShared))
	again, _, done2 := resolve(t, p, cacheMount("/c", ""))
	if shared[0].Source != again[0].Source {
		t.Errorf("shared: got %s and %s, want one", shared[0].Source, again[0].Source)
	}
	private, _, done3 := resolve(t, p, cacheMount("/c", instructions.MountSharingPrivate))
	if private[0].Source == shared[0].Source {
		t.Errorf("private: got the one that others use")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, _, err := mounts.Resolve(ctx, []*instructions.Mount{cacheMount("/c", instructions.MountSharingLocked)}, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked while others use it: got %v, want to wait", err)
	}
	waited := make(chan string)
	go func() {
		got, _, done, err := mounts.Resolve(t.Context(), []*instructions.Mount{cacheMount("/c", instructions.MountSharingLocked), cacheMount("/c", "")}, p)
		if err != nil {
			waited <- err.Error()
			return
		}
		done()
		waited <- got[0].Source
	}()
	done1()
	done2()
	if got := <-waited; got != shared[0].Source {
		t.Errorf("locked: got %s, want %s", got, shared[0].Source)
	}
	list := kept(t, p)
	if len(list) != 2 {
		t.Fatalf("list: got %+v; want two", list)
	}
	for _, c := range list {
		if c.Title != "RUN --mount=type=cache,id=/c" || c.InUse != strings.HasSuffix(c.ID, "-1") {
			t.Errorf("list: got %+v", c)
		}
	}
	if _, err := cache.Prune(p.Roots, cache.Filter{All: true}); err != nil {
		t.Error(err)
	}
	if list := kept(t, p); len(list) != 1 {
		t.Errorf("after a prune: got %+v, want the one in use", list)
	}
	done3()
	if _, err := cache.Prune(p.Roots, cache.Filter{All: true}); err != nil {
		t.Error(err)
	}
	if list := kept(t, p); len(list) != 0 {
		t.Errorf("after a prune of what nobody uses: got %+v", list)
	}
}

// kept are the caches that the build cache lists.
func kept(t *testing.T, p mounts.Provider) []cache.Entry {
	t.Helper()
	list, err := cache.List(p.Roots)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestACacheBeginsWithFilesOfAStage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Fatal(err) // the thread stays in it; no later test minds
	}
	p := newProvider(t)
	low, high := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{low + "/d/a": "a", low + "/d/b": "low", high + "/d/b": "high"} {
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("d", high+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../etc", high+"/out"); err != nil {
		t.Fatal(err)
	}
	p.Layers = func(from string) ([]string, error) {
		if from != "stage" {
			t.Errorf("from: got %q", from)
		}
		return []string{low, high}, nil
	}
	m := cacheMount("/c", "")
	m.From, m.Source = "stage", "link"
	got, _, done := resolve(t, p, m)
	defer done()
	for name, want := range map[string]string{"a": "a", "b": "high"} {
		if data, err := os.ReadFile(filepath.Join(got[0].Source, name)); err != nil || string(data) != want {
			t.Errorf("%s: got %q, %v; want %q", name, data, err, want)
		}
	}
	hostile := cacheMount("/c", "")
	hostile.From, hostile.Source = "stage", "out"
	if _, _, _, err := mounts.Resolve(t.Context(), []*instructions.Mount{hostile}, p); err == nil {
		t.Error("a link that leads out was followed")
	}
}

func TestBindsAndTmpfs(t *testing.T) {
	p := newProvider(t)
	p.Layers = func(from string) ([]string, error) {
		return map[string][]string{"": {"/ctx"}, "s": {"/l1", "/l2"}, "scratch": nil}[from], nil
	}
	got, _, done := resolve(t, p,
		&instructions.Mount{Type: instructions.MountTypeBind, Target: "src", ReadOnly: true},
		&instructions.Mount{Type: instructions.MountTypeBind, From: "s", Source: "../x/y", Target: "/y"},
		&instructions.Mount{Type: instructions.MountTypeBind, From: "scratch", Target: "/z", ReadOnly: true},
		&instructions.Mount{Type: instructions.MountTypeTmpfs, Target: "/tmp", SizeLimit: 4096},
		&instructions.Mount{Type: instructions.MountTypeTmpfs, Target: "/y/"},
	)
	defer done()
	if len(got) != 4 || got[0].Target != "/work/src" || got[0].Layers[0] != "/ctx" || got[0].Subpath != "" || !got[0].ReadOnly {
		t.Errorf("context: got %+v", got)
	}
	if len(got) == 4 && (len(got[1].Layers) != 1 || got[2].Size != 4096 || !got[3].Tmpfs || got[3].Target != "/y") {
		t.Errorf("got %+v, want the later mount on /y", got)
	}
	if _, _, _, err := mounts.Resolve(t.Context(), []*instructions.Mount{{Type: instructions.MountTypeTmpfs, Target: "/x/.."}}, p); err == nil {
		t.Error("something was mounted on /")
	}
}

func newKey(t *testing.T, passphrase string) (file string, public ssh.PublicKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	if public, err = ssh.NewPublicKey(pub); err != nil {
		t.Fatal(err)
	}
	return file, public
}

// use signs with the only key of an agent, and tries to change it.
func use(t *testing.T, socket string, want ssh.PublicKey) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := agent.NewClient(conn)
	keys, err := a.List()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys: got %v, %v; want one", keys, err)
	}
	sig, err := a.Sign(want, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Verify([]byte("text"), sig); err != nil {
		t.Error(err)
	}
	if a.RemoveAll() == nil || a.Lock([]byte("x")) == nil {
		t.Error("the agent could be changed")
	}
	if keys, err := a.List(); err != nil || len(keys) != 1 {
		t.Errorf("keys afterwards: got %v, %v; want one", keys, err)
	}
}

func TestAnAgentCanBeUsedAndNotChanged(t *testing.T) {
	p := newProvider(t)
	file, public := newKey(t, "")
	p.SSH = []imagecall.BuildSSH{{ID: "default", Paths: []string{file}}}
	got, vars, done := resolve(t, p,
		&instructions.Mount{Type: instructions.MountTypeSSH},
		&instructions.Mount{Type: instructions.MountTypeSSH, CacheID: "none"},
		&instructions.Mount{Type: instructions.MountTypeSSH, Target: "/agent", Mode: ptr(uint64(0o666))},
	)
	if len(got) != 2 || got[0].Target != "/run/buildkit/ssh_agent.0" || len(vars.Env) != 1 || vars.Env[0] != "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0" {
		t.Fatalf("got %+v, %+v", got, vars)
	}
	if st, err := os.Stat(got[1].Source); err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("mode: got %v, %v; want 0666", st, err)
	}
	use(t, got[0].Source, public)
	// The socket of the first one is an agent to the second.
	q := newProvider(t)
	t.Setenv("SSH_AUTH_SOCK", got[0].Source)
	q.SSH = []imagecall.BuildSSH{{ID: "default"}, {ID: "path", Paths: []string{got[1].Source}}}
	more, _, done2 := resolve(t, q, &instructions.Mount{Type: instructions.MountTypeSSH}, &instructions.Mount{Type: instructions.MountTypeSSH, CacheID: "path"})
	use(t, more[0].Source, public)
	use(t, more[1].Source, public)
	idle, err := net.Dial("unix", more[0].Source)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	done2() // does not wait for the program to hang up
	done()
}

func TestAgentsThatCannotBeUsedAreErrors(t *testing.T) {
	p := newProvider(t)
	locked, _ := newKey(t, "x")
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	p.SSH = []imagecall.BuildSSH{{ID: "default"}, {ID: "locked", Paths: []string{locked}}, {ID: "junk", Paths: []string{junk}}, {ID: "gone", Paths: []string{junk + "x"}}}
	for id, want := range map[string]string{"": "SSH_AUTH_SOCK is not set", "locked": "ssh-add", "junk": "not a private key", "gone": "no such file", "missing": "--ssh missing"} {
		m := &instructions.Mount{Type: instructions.MountTypeSSH, CacheID: id, Required: true}
		if _, _, _, err := mounts.Resolve(t.Context(), []*instructions.Mount{m}, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", id, err, want)
		}
	}
}
