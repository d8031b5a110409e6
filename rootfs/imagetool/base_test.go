package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"skiff/rootfs/imagecall"
	reg "skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
	registry "skiff/tests/registry"
)

// baseImage calls BaseImage as the builder does.
func (tl *tool) baseImage(t *testing.T, name, platform, policy string) (*state.Image, error) {
	t.Helper()
	st, err := store.Open(store.Options{Roots: tl.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := reg.NewSession(tl.complete(imagecall.Request{Op: imagecall.OpBuild}), st, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.BaseImage(context.Background(), name, platform, policy)
}

func TestBaseImageOfAnotherPlatformLeavesTheName(t *testing.T) {
	srv := registry.Start(t, registry.Options{})
	tl := newTool(t)
	amd, arm := simple(t, "gzip"), simple(t, "gzip", "gzip")
	arm.Architecture = "arm64"
	amdB, armB := amd.Build(t), arm.Build(t)
	srv.PushIndex(t, "base", "1", amdB, armB)
	srv.Push(t, "only", "1", amdB)
	name := srv.Host + "/base:1"
	want := func(platform, policy, id string) {
		t.Helper()
		rec, err := tl.baseImage(t, name, platform, policy)
		if err != nil || rec.ID != id {
			t.Fatalf("%s %q: got %+v, %v, want %s", platform, policy, rec, err, id)
		}
	}
	if _, err := tl.baseImage(t, name, "", "never"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("never: got %v", err)
	}
	want("linux/arm64", "", armB.ID()) // before this machine's is here
	want("", "", amdB.ID())
	want("linux/arm64", "always", armB.ID())
	if got := tl.lookup(t, name); got.ID != amdB.ID() {
		t.Errorf("the name went to %s", got.ID)
	}
	if got := tl.lookup(t, armB.ID()); len(got.Names) != 0 || len(got.RepoDigests) == 0 {
		t.Errorf("got names %v, digests %v", got.Names, got.RepoDigests)
	}
	if _, err := tl.baseImage(t, srv.Host+"/only:1", "linux/arm64", ""); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("an image for one platform: got %v", err)
	}
	srv.Stop()
	for _, policy := range []string{"", "never", "newer"} {
		want("linux/arm64", policy, armB.ID())
		want("linux/amd64", policy, amdB.ID())
	}
	if _, err := tl.baseImage(t, name, "linux/arm64", "always"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("always without a registry: got %v", err)
	}
	tl.checkIndex(t)
}
