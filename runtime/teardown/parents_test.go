package teardown_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skiff/runtime/teardown"
	"skiff/state/lock"
)

func TestOnlyParentsOfPassingRootsGoWithTheirContainers(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	var cgroups []string
	for _, parent := range []string{"skiff", "skiff-0123abcd", "skiff-0123abcX", "skiff-0123abc", "mine", "system.slice"} {
		cgroups = append(cgroups, "/sys/fs/cgroup/memory/"+parent+"/"+id)
	}
	cgroups = append(cgroups, "/sys/fs/cgroup/memory/skiff-0123abcd/other", "skiff-0123abcd/"+id)
	want := []string{"/sys/fs/cgroup/memory/skiff-0123abcd"}
	if got := teardown.PassingParents(cgroups); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParentsAreRemovedWhenEmptyAndNobodyStarts(t *testing.T) {
	top := t.TempDir()
	locked := filepath.Join(top, "cgroups.lock")
	empty, used := filepath.Join(top, "empty"), filepath.Join(top, "used")
	for _, dir := range []string{empty, filepath.Join(used, "child")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		for _, dir := range []string{empty, used} {
			if _, err := os.Lstat(dir); err == nil {
				names = append(names, filepath.Base(dir))
			}
		}
		return names
	}
	dirs := []string{empty, used, filepath.Join(top, "gone")}
	held, err := lock.Share(locked)
	if err != nil {
		t.Fatal(err)
	}
	if err := teardown.RemoveParents(locked, dirs); err != nil || len(left()) != 2 {
		t.Errorf("while a container starts: %v, left %q", err, left())
	}
	held.Release()
	if err := teardown.RemoveParents(locked, dirs); err != nil || !slices.Equal(left(), []string{"used"}) {
		t.Errorf("when none starts: %v, left %q", err, left())
	}
}
