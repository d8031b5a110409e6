package volume

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"skiff/state"
)

func backup(t *testing.T, v Volumes, name string, still func() (func() error, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := v.Backup(name, &out, still, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func idle() ([]string, error) { return nil, nil }

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestBackupHasTheMomentOfTheSecondPass: what changes between the passes, in any way
// that a file can, is as it was when all stood still.
func TestBackupHasTheMomentOfTheSecondPass(t *testing.T) {
	v := volumes(t)
	create(t, v, "v", Options{Labels: map[string]string{"a": "b"}})
	d := v.Roots.VolumeData("v")
	for _, f := range []string{"same", "written", "gone", "gonedir/x", "filetodir", "dirtofile/in/x", "moved/deep/f", "link1", "mode"} {
		os.MkdirAll(filepath.Dir(d+"/"+f), 0o755)
		write(t, d+"/"+f, "old")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Link(d+"/link1", d+"/link2"))
	resumed := false
	data := backup(t, v, "v", func() (func() error, error) {
		write(t, d+"/written", "new")
		write(t, d+"/link2", "both")
		must(os.Remove(d + "/gone"))
		must(os.RemoveAll(d + "/gonedir"))
		must(os.Remove(d + "/filetodir"))
		must(os.Mkdir(d+"/filetodir", 0o711))
		write(t, d+"/filetodir/f", "in")
		must(os.RemoveAll(d + "/dirtofile"))
		write(t, d+"/dirtofile", "file")
		must(os.Rename(d+"/moved", d+"/here"))
		must(os.Chmod(d+"/mode", 0o600))
		must(os.Symlink("same", d+"/new"))
		return func() error { resumed = true; return nil }, nil
	})
	if !resumed {
		t.Error("those who stood still are not let go on")
	}
	must(v.Restore("w", bytes.NewReader(data), RestoreOptions{Busy: idle}))
	w := v.Roots.VolumeData("w")
	for f, want := range map[string]string{
		"same": "old", "written": "new", "link1": "both", "filetodir/f": "in", "dirtofile": "file", "here/deep/f": "old", "new": "old",
	} {
		if got := content(t, w+"/"+f); got != want {
			t.Errorf("%s is %q, want %q", f, got, want)
		}
	}
	for _, f := range []string{"gone", "gonedir", "moved"} {
		if _, err := os.Lstat(w + "/" + f); err == nil {
			t.Errorf("%s is there", f)
		}
	}
	var a, b unix.Stat_t
	must(errors.Join(unix.Stat(w+"/link1", &a), unix.Stat(w+"/link2", &b)))
	if a.Ino != b.Ino {
		t.Error("two names of a file are two files")
	}
	if st, _ := os.Stat(w + "/mode"); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	vol, err := v.Load("w")
	if err != nil || vol.Labels["a"] != "b" || !vol.Filled {
		t.Errorf("record %+v %v", vol, err)
	}
}

func TestRestoreTakesOnlyAWholeBackup(t *testing.T) {
	v := volumes(t)
	create(t, v, "v", Options{})
	d := v.Roots.VolumeData("v")
	write(t, d+"/f", strings.Repeat("content", 400_000))
	good := backup(t, v, "v", nil)
	write(t, d+"/f", "now")
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	sealed := bytes.Clone(good)
	sealed[len(good)-sealSize+len(sealWords)] ^= 1
	for what, data := range map[string][]byte{
		"empty": nil, "no archive": []byte(strings.Repeat("x", 4000)), "one bit": flipped, "the checksum": sealed,
		"half": good[:len(good)/2], "without its seal": good[:len(good)-sealSize], "longer": append(bytes.Clone(good), 0),
	} {
		err := v.Restore("v", bytes.NewReader(data), RestoreOptions{Force: true, Busy: idle})
		if !errors.Is(err, ErrNoBackup) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if got := content(t, d+"/f"); got != "now" {
			t.Errorf("%s: the volume is changed", what)
		}
		if err := v.Restore("new", bytes.NewReader(data), RestoreOptions{Busy: idle}); err == nil {
			t.Errorf("%s makes a volume", what)
		}
		if _, err := os.Lstat(v.Roots.Volume("new")); err == nil {
			t.Errorf("%s leaves something", what)
		}
	}
	if err := v.Restore("v", bytes.NewReader(good), RestoreOptions{Busy: idle}); !errors.Is(err, state.ErrExists) {
		t.Errorf("without force: %v", err)
	}
	busy := func() ([]string, error) { return []string{"box"}, nil }
	if err := v.Restore("v", bytes.NewReader(good), RestoreOptions{Force: true, Busy: busy}); !errors.Is(err, state.ErrInUse) {
		t.Errorf("used: %v", err)
	}
	// What a killed one left is in nobody's way.
	os.MkdirAll(v.Roots.VolumeRestore("v")+"/half", 0o755)
	if err := v.Restore("v", bytes.NewReader(good), RestoreOptions{Force: true, Busy: idle}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d+"/f"); len(got) != 2_800_000 {
		t.Errorf("restored %d bytes", len(got))
	}
	os.MkdirAll(v.Roots.VolumeRestore("v")+"/half", 0o755)
	if err := v.Sweep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(v.Roots.VolumeRestore("v")); err == nil {
		t.Error("Sweep leaves what a killed restore left")
	}
}
