package libpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"skiff/libpod/inspect"
	"skiff/rootfs/layer"
	"skiff/state/process"
)

// measure finds the sizes of a container's files.
func (e *Engine) measure(c *Container) error {
	rw, err := treeSize(e.Roots.Container(c.Config.ID).Upper())
	if err != nil {
		return fmt.Errorf("cannot measure container %s: %w", c.Config.Name, err)
	}
	root := rw
	if img, err := e.Images.Load(c.Config.Image.ID); err == nil {
		root += img.Size
	}
	c.SizeRw, c.SizeRoot = &rw, &root
	return nil
}

// treeSize is the sum of the sizes of the files below dir, a file with several
// names counted once. The container may write there meanwhile: os.Root keeps
// the walk inside even where a directory is swapped for a symbolic link.
func treeSize(dir string) (int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return 0, nil
		}
		return 0, err
	}
	defer root.Close()
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var sum int64
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // gone, or an ordinary user may not read it
		}
		if "/"+name == layer.Mtab && d.Type() == fs.ModeSymlink {
			return nil // a start makes it
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			key := inode{st.Dev, st.Ino}
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		if info.Mode().IsRegular() || info.Mode()&fs.ModeSymlink != 0 {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// namespaceIDs finds the inode numbers of a process's namespaces; empty where
// they cannot be read.
func namespaceIDs(pid int, start uint64) inspect.Namespaces {
	id := func(kind string) string {
		link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(strings.TrimPrefix(link, kind+":["), "]")
	}
	ns := inspect.Namespaces{
		Cgroup: id("cgroup"), IPC: id("ipc"), Mnt: id("mnt"), Net: id("net"),
		PID: id("pid"), User: id("user"), UTS: id("uts"),
	}
	if now, err := process.StartTime(pid); err != nil || now != start {
		return inspect.Namespaces{} // it was, or is now, another process
	}
	return ns
}
