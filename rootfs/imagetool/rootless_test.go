package main

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/state/dirs"
	registry "skiff/tests/registry"
)

// Ids of the host in the tests' user namespace: root there is an ordinary user
// here, and the rest is a subordinate range.
const (
	user, subordinate = 54321, 2000000
)

// asUser runs the tool as the engine does for an ordinary user: as root of a
// user namespace with the whole range mapped, in a mount namespace of its own.
func asUser(c *exec.Cmd) {
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: user, Size: 1}, {ContainerID: 1, HostID: subordinate, Size: 65536}}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: mapping, GidMappings: mapping,
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
	}
}

func userTool(t *testing.T) *tool {
	tl := newTool(t)
	home, err := os.MkdirTemp("", "skiff-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	for _, f := range []string{home, filepath.Dir(tl.conf), tl.conf, tl.policy} {
		if err := os.Chown(f, user, user); err != nil {
			t.Fatal(err)
		}
	}
	for p := filepath.Dir(tl.conf); p != "/tmp" && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tl.roots = dirs.Roots{Data: filepath.Join(home, "data"), Run: filepath.Join(home, "run")}
	tl.images.Roots = tl.roots
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", home)
	return tl
}

func TestOrdinaryUser(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := userTool(t)
	owned := file("www", "x")
	owned.Uid, owned.Gid, owned.Mode = 33, 1000, 0o4755
	img := registry.Image{Layers: []registry.Layer{
		{Tar: registry.Tar(t, file("a", "a"), entry(tar.TypeDir, "d", ""), file("d/x", "x"), owned), Compression: "gzip"},
		{Tar: registry.Tar(t, file(".wh.a", ""), entry(tar.TypeDir, "d", ""), file("d/.wh..wh..opq", ""),
			registry.File{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Devmajor: 8}}), Compression: "zstd"},
	}}
	b := img.Build(t)
	srv.Push(t, "user", "1", b)
	name := srv.Host + "/user:1"
	if res := tl.started(t, pullOf(name), asUser).result(t); len(res.Failures) > 0 || res.Images[0].ID != b.ID() {
		t.Fatalf("got %+v", res)
	}
	rec := tl.lookup(t, name)
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(rec.Layers[0], "www"), &st); err != nil || st.Uid != subordinate+32 || st.Gid != subordinate+999 || st.Mode&0o7777 != 0o4755 {
		t.Errorf("owner: got %d:%d, mode %o, %v", st.Uid, st.Gid, st.Mode, err)
	}
	if err := unix.Lstat(filepath.Join(rec.Layers[1], "a"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("whiteout: got mode %o, device %d, %v", st.Mode, st.Rdev, err)
	}
	value := make([]byte, 8)
	if n, err := unix.Lgetxattr(filepath.Join(rec.Layers[1], "d"), "user.overlay.opaque", value); err != nil || string(value[:n]) != "y" {
		t.Errorf("opaque directory: got %q, %v", value[:max(n, 0)], err)
	}
	if err := unix.Lstat(filepath.Join(rec.Layers[1], "disk"), &st); err == nil {
		t.Errorf("a device node was made: mode %o", st.Mode)
	}
	out := filepath.Join(tl.roots.Data, "out.tar")
	for _, req := range []imagecall.Request{
		{Op: imagecall.OpTag, Images: []string{name, "mine"}},
		{Op: imagecall.OpSave, Images: []string{"mine"}, Output: out},
		{Op: imagecall.OpPush, Images: []string{"mine", srv.Host + "/back:1"}},
		{Op: imagecall.OpRemove, All: true},
		{Op: imagecall.OpLoad, Input: out},
		{Op: imagecall.OpRemove, All: true},
	} {
		if res := tl.started(t, req, asUser).result(t); len(res.Failures) > 0 {
			t.Fatalf("%s: %+v", req.Op, res.Failures)
		}
	}
	tl.empty(t)
}
