package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"skiff/runtime/sandbox"
	"skiff/runtime/spec"
)

// TestHierarchies: what is made ahead is where libcontainer puts the container.
func TestHierarchies(t *testing.T) {
	b := newBox(t, "sleep", "1000")
	sp, err := spec.Build(b.cfg, b.in)
	if err != nil {
		t.Fatal(err)
	}
	h, err := sandbox.MakeHierarchies(sp.Linux.CgroupsPath)
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		t.Skip("no cgroup v1 hierarchy")
	}
	for name, dir := range h.Shown {
		if _, err := os.Stat(dir); err != nil || filepath.Base(filepath.Dir(filepath.Dir(dir))) != name {
			t.Errorf("%s is shown in %s: %v", name, dir, err)
		}
	}
	sb := b.start()
	for name, dir := range h.Shown {
		if pids, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")); len(pids) == 0 {
			t.Errorf("nobody is in the container's cgroup for %s", name)
		}
	}
	if err := sb.Destroy(); err != nil {
		t.Fatal(err)
	}
	if h, err = sandbox.MakeHierarchies(sp.Linux.CgroupsPath); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range h.Shown {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
	if h, err := sandbox.MakeHierarchies("user.slice:skiff:relative"); h != nil || err != nil {
		t.Errorf("a path of systemd's gave %v, %v", h, err)
	}
}
