package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/copytree"
	"skiff/rootfs/safepath"
)

// image makes a root file system whose /data has one of each kind.
func image(t testing.TB) (root *safepath.Root, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "root")
	data := dir + "/data"
	write(t, data+"/file", "content")
	write(t, data+"/sub/deep/file", "deep")
	steps := []error{
		os.Link(data+"/file", data+"/sub/hard"),
		os.Symlink("/etc/passwd", data+"/link"),
		os.Symlink("/data", dir+"/also"),
		unix.Mkfifo(data+"/fifo", 0o640),
		os.Chmod(data+"/file", 0o640|os.ModeSetuid),
		os.Chmod(data+"/sub", 0o750|os.ModeSticky),
		os.Chmod(data, 0o711),
		os.Mkdir(dir+"/empty", 0o700),
	}
	sparse, err := os.Create(data + "/sparse")
	if err == nil {
		_, err = sparse.WriteAt([]byte("end"), 1<<30)
		sparse.Close()
	}
	steps = append(steps, err)
	if os.Geteuid() == 0 {
		steps = append(steps, os.Lchown(data+"/link", 3, 4), os.Chown(data+"/sub", 5, 6), os.Chown(data, 7, 8), os.Chown(data+"/file", 9, 10),
			os.Chmod(data+"/file", 0o640|os.ModeSetuid), unix.Mknod(data+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
			unix.Setxattr(data+"/sub/deep/file", "trusted.mine", []byte("t"), 0))
	}
	old := time.Unix(1e9, 123456000)
	steps = append(steps, os.Chtimes(data+"/file", old, old), os.Chtimes(data+"/sub", old, old))
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	unix.Setxattr(data+"/file", "user.note", []byte("u"), 0) // where the file system can
	root, err = safepath.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// describe is everything about the tree, one line for each entry.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	inodes := map[uint64]string{}
	err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, dir)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %o %d:%d size %d dev %d", rel, st.Mode, st.Uid, st.Gid, st.Size, st.Rdev)
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if inodes[st.Ino] == "" {
				inodes[st.Ino] = rel
			}
			fmt.Fprintf(&b, " same as %s blocks<2000 %v", inodes[st.Ino], st.Blocks < 2000)
		}
		if rel != "" {
			fmt.Fprintf(&b, " time %d", st.Mtim.Sec)
		}
		target, _ := os.Readlink(path)
		value := make([]byte, 10)
		for _, name := range []string{"user.note", "trusted.mine"} {
			n, _ := unix.Lgetxattr(path, name, value)
			fmt.Fprintf(&b, " %q", value[:max(n, 0)])
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size < 100 {
			data, _ := os.ReadFile(path)
			target = string(data)
		}
		fmt.Fprintf(&b, " %q\n", target)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFillCopiesEverything(t *testing.T) {
	root, dir := image(t)
	for _, target := range []string{"/data", "/also", "also/../data/."} {
		v := volumes(t)
		create(t, v, "vol", Options{})
		if err := v.Fill(root, target, "vol"); err != nil {
			t.Fatal(err)
		}
		if got, want := describe(t, v.Roots.VolumeData("vol")), describe(t, dir+"/data"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if vol, _ := v.Load("vol"); !vol.Filled {
			t.Error("not marked as filled")
		}
		entries, _ := os.ReadDir(v.Roots.Volume("vol"))
		if len(entries) != 3 { // _data, lock, volume.json
			t.Errorf("left behind: %v", entries)
		}
		// What was filled once is the user's.
		os.Remove(v.Roots.VolumeData("vol") + "/file")
		if err := v.Fill(root, target, "vol"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(v.Roots.VolumeData("vol") + "/file"); err == nil {
			t.Error("filled again")
		}
	}
}

func TestFillLeavesContentAlone(t *testing.T) {
	root, _ := image(t)
	v := volumes(t)
	create(t, v, "vol", Options{})
	write(t, v.Roots.VolumeData("vol")+"/mine", "1")
	before := describe(t, v.Roots.VolumeData("vol"))
	if err := v.Fill(root, "/data", "vol"); err != nil {
		t.Fatal(err)
	}
	if after := describe(t, v.Roots.VolumeData("vol")); after != before {
		t.Errorf("changed to\n%s", after)
	}
	if vol, _ := v.Load("vol"); !vol.Filled {
		t.Error("not marked: it would be looked at again at each start")
	}
}

func TestFillFromNothing(t *testing.T) {
	root, _ := image(t)
	v := volumes(t)
	create(t, v, "vol", Options{})
	for _, target := range []string{"/none", "/data/file", "/none/deeper", "/empty"} {
		if err := v.Fill(root, target, "vol"); err != nil {
			t.Fatal(err)
		}
		if vol, _ := v.Load("vol"); vol.Filled {
			t.Errorf("%s filled it", target)
		}
	}
	if st, _ := os.Stat(v.Roots.VolumeData("vol")); st.Mode().Perm() != 0o700 {
		t.Errorf("the empty directory's mode did not come along: %v", st.Mode())
	}
	if err := v.Fill(root, "/data", "vol"); err != nil { // a later image has content
		t.Fatal(err)
	}
	if _, err := os.Lstat(v.Roots.VolumeData("vol") + "/file"); err != nil {
		t.Error(err)
	}
}

func TestFillKeepsTheDirectory(t *testing.T) {
	root, _ := image(t)
	v := volumes(t)
	create(t, v, "vol", Options{})
	d, err := os.Open(v.Roots.VolumeData("vol")) // as a container has it mounted
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := v.Fill(root, "/data", "vol"); err != nil {
		t.Fatal(err)
	}
	if names, _ := d.Readdirnames(-1); len(names) < 4 {
		t.Errorf("who has it open sees %v", names)
	}
}

func TestFillAfterCrash(t *testing.T) {
	root, dir := image(t)
	fill := func(v Volumes) {
		t.Helper()
		if err := v.Fill(root, "/data", "vol"); err != nil {
			t.Fatal(err)
		}
		if got, want := describe(t, v.Roots.VolumeData("vol")), describe(t, dir+"/data"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	t.Run("while it copied", func(t *testing.T) {
		v := volumes(t)
		create(t, v, "vol", Options{})
		write(t, v.Roots.VolumeFill("vol")+".tmp/part", "half")
		fill(v)
	})
	t.Run("while it moved", func(t *testing.T) {
		v := volumes(t)
		create(t, v, "vol", Options{})
		if _, err := v.copyBeside(root, "/data", "vol"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(v.Roots.VolumeFill("vol")+"/sub", v.Roots.VolumeData("vol")+"/sub"); err != nil {
			t.Fatal(err)
		}
		fill(v)
	})
	t.Run("before it told", func(t *testing.T) {
		v := volumes(t)
		create(t, v, "vol", Options{})
		if _, err := v.copyBeside(root, "/data", "vol"); err != nil {
			t.Fatal(err)
		}
		if _, err := moveIn(v.Roots.VolumeFill("vol"), v.Roots.VolumeData("vol")); err != nil {
			t.Fatal(err)
		}
		fill(v)
	})
}

func TestFillFailsWhole(t *testing.T) {
	root, dir := image(t)
	deep := dir + "/data/sub"
	for range copytree.MaxDepth {
		deep += "/d"
		if err := os.Mkdir(deep, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	v := volumes(t)
	create(t, v, "vol", Options{})
	err := v.Fill(root, "/data", "vol")
	if err == nil || !strings.Contains(err.Error(), "nested more than") || len(err.Error()) > 2200 {
		t.Errorf("error: %v", err)
	}
	if entries, _ := os.ReadDir(v.Roots.VolumeData("vol")); len(entries) != 0 {
		t.Errorf("left in the volume: %v", entries)
	}
	if entries, _ := os.ReadDir(v.Roots.Volume("vol")); len(entries) != 3 {
		t.Errorf("left beside it: %v", entries)
	}
}

func TestFillAtOnce(t *testing.T) {
	root, dir := image(t)
	v := volumes(t)
	create(t, v, "vol", Options{Anonymous: true})
	errs := make(chan error)
	for range 8 {
		go func() { errs <- v.Fill(root, "/data", "vol") }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got, want := describe(t, v.Roots.VolumeData("vol")), describe(t, dir+"/data"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
