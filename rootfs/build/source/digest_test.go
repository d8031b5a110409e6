package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func digestOf(t *testing.T, tree *Tree, sources ...string) string {
	t.Helper()
	d, err := tree.Digest(Selection{Sources: sources})
	if err != nil {
		t.Fatalf("Digest(%q): %v", sources, err)
	}
	return d.String()
}

func TestADigestKnowsContentAndNotTime(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(dir string) error
		owned   bool
		differs bool
	}{
		{"nothing", func(string) error { return nil }, false, false},
		{"times", func(dir string) error {
			return os.Chtimes(filepath.Join(dir, "d/a"), time.Unix(1, 0), time.Unix(2, 0))
		}, false, false},
		{"a file's bytes, not its size", func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/a"), []byte("B"), 0o644) }, false, true},
		{"a mode", func(dir string) error { return os.Chmod(filepath.Join(dir, "d/a"), 0o755) }, false, true},
		{"a set-user-id bit", func(dir string) error { return unix.Chmod(filepath.Join(dir, "d/a"), 0o4644) }, false, true},
		{"a directory's mode", func(dir string) error { return os.Chmod(filepath.Join(dir, "d/sub"), 0o700) }, false, true},
		{"the mode of the directory that is the source", func(dir string) error { return os.Chmod(filepath.Join(dir, "d"), 0o700) }, false, false},
		{"an owner of a context", func(dir string) error { return os.Chown(filepath.Join(dir, "d/a"), 7, 7) }, false, false},
		{"an owner of a stage", func(dir string) error { return os.Chown(filepath.Join(dir, "d/a"), 7, 7) }, true, true},
		{"a name", func(dir string) error { return os.Rename(filepath.Join(dir, "d/a"), filepath.Join(dir, "d/b")) }, false, true},
		{"an empty directory more", func(dir string) error { return os.Mkdir(filepath.Join(dir, "d/new"), 0o755) }, false, true},
		{"a link's target", func(dir string) error {
			os.Remove(filepath.Join(dir, "d/l"))
			return os.Symlink("b", filepath.Join(dir, "d/l"))
		}, false, true},
		{"a hard link in the place of a copy", func(dir string) error {
			os.Remove(filepath.Join(dir, "d/copy"))
			return os.Link(filepath.Join(dir, "d/a"), filepath.Join(dir, "d/copy"))
		}, false, false},
		{"an attribute of a context", func(dir string) error {
			return errors.Join(unix.Setxattr(filepath.Join(dir, "d/a"), "user.x", []byte("1"), 0), unix.Setxattr(filepath.Join(dir, "d/sub"), "user.x", []byte("1"), 0))
		}, false, false},
		{"an attribute of a stage", func(dir string) error { return unix.Setxattr(filepath.Join(dir, "d/a"), "user.x", []byte("1"), 0) }, true, true},
		{"an attribute of a stage's directory", func(dir string) error {
			return unix.Setxattr(filepath.Join(dir, "d/sub"), "user.x", []byte("1"), 0)
		}, true, true},
		{"a file beside it", func(dir string) error { return os.WriteFile(filepath.Join(dir, "other"), nil, 0o600) }, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"d/a": "A", "d/copy": "A", "d/sub/x": "x", "d/l>a": ""})
			tree := open(t, dir, "")
			tree.Owned = test.owned
			before := digestOf(t, tree, "d")
			if err := test.change(dir); err != nil {
				t.Fatal(err)
			}
			if after := digestOf(t, tree, "d"); (after != before) != test.differs {
				t.Errorf("after a change of %s: got %s, before %s, want a difference: %v", test.name, after, before, test.differs)
			}
		})
	}
}

// remember opens a memory at a time at which the files of the test are old.
func remember(t *testing.T, path string, now time.Time) *Digests {
	d := OpenDigests(path)
	d.now = func() time.Time { return now }
	return d
}

func TestAnUnchangedContextIsNotReadAgain(t *testing.T) {
	dir, memory := t.TempDir(), filepath.Join(t.TempDir(), "digests")
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = fmt.Sprint(i)
	}
	write(t, dir, files)
	later := time.Now().Add(time.Hour)
	tree := open(t, dir, "")
	tree.Digests = remember(t, memory, later)
	first := digestOf(t, tree, ".")
	if err := tree.Digests.Save(); err != nil {
		t.Fatal(err)
	}
	tree.Digests = remember(t, memory, later)
	if n := tree.Digests.table.len(); n != len(files) {
		t.Fatalf("%d sums are remembered, want %d", n, len(files))
	}
	if got := digestOf(t, tree, "."); got != first {
		t.Errorf("got %s from memory, want %s", got, first)
	}
	if n := len(tree.Digests.fresh); n != 0 {
		t.Errorf("%d files were read again", n)
	}
	if tree.Digests.worthwhile {
		t.Error("a build that learned nothing writes its memory")
	}
	// One changed file, with its size and its modification time kept.
	at := filepath.Join(dir, "d0/f0")
	st, err := os.Stat(at)
	if err == nil {
		err = os.WriteFile(at, []byte("X"), 0o644)
	}
	if err == nil {
		err = os.Chtimes(at, st.ModTime(), st.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := digestOf(t, tree, "."); got == first {
		t.Error("a change that keeps size and modification time goes unnoticed")
	}
	if n := len(tree.Digests.fresh); n != 1 {
		t.Errorf("%d files were read after one was changed", n)
	}
}

func TestAFileThatHasJustChangedIsNotRemembered(t *testing.T) {
	dir, memory := t.TempDir(), filepath.Join(t.TempDir(), "digests")
	write(t, dir, map[string]string{"a": "a"})
	tree := open(t, dir, "")
	tree.Digests = OpenDigests(memory)
	digestOf(t, tree, ".")
	if err := tree.Digests.Save(); err != nil {
		t.Fatal(err)
	}
	if n := readTable(memory).len(); n != 0 {
		t.Errorf("%d sums of files that changed a moment ago are remembered", n)
	}
}

func TestADamagedMemoryIsEmpty(t *testing.T) {
	dir, memory := t.TempDir(), filepath.Join(t.TempDir(), "digests")
	write(t, dir, map[string]string{"a": "a", "b": "b"})
	later := time.Now().Add(time.Hour)
	tree := open(t, dir, "")
	tree.Digests = remember(t, memory, later)
	want := digestOf(t, tree, ".")
	if err := tree.Digests.Save(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(memory)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		broken := append([]byte(nil), whole...)
		broken[i] ^= 1
		if err := os.WriteFile(memory, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		tree.Digests = remember(t, memory, later)
		if n := tree.Digests.table.len(); n != 0 {
			t.Fatalf("with byte %d changed %d sums are believed", i, n)
		}
	}
	if err := os.WriteFile(memory, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	tree.Digests = remember(t, memory, later)
	if got := digestOf(t, tree, "."); got != want {
		t.Errorf("got %s with a damaged memory, want %s", got, want)
	}
}

func TestMemoriesOfBuildsAtTheSameTimeAreJoined(t *testing.T) {
	dir, memory := t.TempDir(), filepath.Join(t.TempDir(), "digests")
	write(t, dir, map[string]string{"a": "a", "b": "b"})
	later := time.Now().Add(time.Hour)
	one, two := open(t, dir, ""), open(t, dir, "")
	one.Digests, two.Digests = remember(t, memory, later), remember(t, memory, later)
	digestOf(t, one, "a")
	digestOf(t, two, "b")
	for _, tree := range []*Tree{one, two} {
		if err := tree.Digests.Save(); err != nil {
			t.Fatal(err)
		}
	}
	if n := readTable(memory).len(); n != 2 {
		t.Errorf("%d sums are remembered, want those of both builds", n)
	}
	// A month later nobody has asked for a.
	one.Digests = remember(t, memory, later.Add((dropped-1)*day))
	digestOf(t, one, "b")
	if err := one.Digests.Save(); err != nil {
		t.Fatal(err)
	}
	one.Digests = remember(t, memory, later.Add((dropped+8)*day))
	digestOf(t, one, "b")
	if err := one.Digests.Save(); err != nil {
		t.Fatal(err)
	}
	if n := readTable(memory).len(); n != 1 {
		t.Errorf("%d sums are remembered, want one: a was not asked for", n)
	}
}
