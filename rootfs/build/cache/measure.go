package cache

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// usage is what a tree takes on the disk. shared is the part that other trees
// have hard links to, and that stays if this one goes.
type usage struct{ total, shared int64 }

const blockSize = 512 // of st_blocks, whatever the file system's is

// measure adds up the blocks of a tree's files, each file once.
func measure(dir string) (usage, error) {
	type inode struct{ dev, ino uint64 }
	type links struct {
		left  uint64 // links that were not met yet
		bytes int64
	}
	var u usage
	multiple := map[inode]*links{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		bytes := st.Blocks * blockSize
		if d.IsDir() || st.Nlink == 1 {
			u.total += bytes
			return nil
		}
		id := inode{uint64(st.Dev), st.Ino}
		if multiple[id] == nil {
			multiple[id] = &links{uint64(st.Nlink), bytes}
			u.total += bytes
		}
		multiple[id].left--
		return nil
	})
	for _, l := range multiple {
		if l.left > 0 {
			u.shared += l.bytes
		}
	}
	return u, err
}
