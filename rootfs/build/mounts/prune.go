package mounts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Cache is what a step's mount of type cache keeps.
type Cache struct {
	CacheRecord
	// Key names the directory below builds/mounts.
	Key string
	// Size is what its files take on disk, in bytes.
	Size int64
	// InUse says that a step uses it.
	InUse bool
}

// List gives all caches, in no particular order.
func List(roots dirs.Roots) ([]Cache, error) {
	entries, err := os.ReadDir(roots.BuildMounts())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Cache
	for _, e := range entries {
		c := Cache{Key: e.Name()}
		dir := filepath.Join(roots.BuildMounts(), c.Key)
		if err := jsonfile.Read(recordFile(dir), &c.CacheRecord); err != nil {
			continue // half made, or half removed
		}
		if c.Size, err = size(dataDir(dir)); err != nil {
			return nil, err
		}
		if l, err := lock.Try(filepath.Join(dir, "lock")); err == nil {
			l.Release()
		} else {
			c.InUse = errors.Is(err, lock.ErrBusy)
		}
		out = append(out, c)
	}
	return out, nil
}

// Remove removes a cache, or what a removal has left of it, and gives the bytes
// that were freed. One that a step uses stays: lock.ErrBusy.
func Remove(roots dirs.Roots, key string) (int64, error) {
	if key == "" || strings.ContainsAny(key, "/\x00") || strings.HasPrefix(key, ".") {
		return 0, os.ErrNotExist
	}
	dir := filepath.Join(roots.BuildMounts(), key)
	l, err := lock.Try(filepath.Join(dir, "lock"))
	if err != nil {
		return 0, err
	}
	defer l.Release()
	freed, err := size(dir)
	if err != nil {
		return 0, err
	}
	// The lock's file goes with the rest: who waits for it makes the cache anew.
	return freed, os.RemoveAll(dir)
}

// Prune removes all caches that no step uses.
func Prune(roots dirs.Roots) (freed int64, err error) {
	entries, err := os.ReadDir(roots.BuildMounts())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	var errs []error
	for _, e := range entries {
		n, err := Remove(roots, e.Name())
		freed += n
		if err != nil && !errors.Is(err, lock.ErrBusy) && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return freed, errors.Join(append(errs, err)...)
}

// size is what the files below dir take on disk, each once. Those that go
// meanwhile do not count.
func size(dir string) (total int64, err error) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(name, &st)
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if id := (inode{uint64(st.Dev), st.Ino}); st.Nlink < 2 || !seen[id] {
			seen[id] = true
			total += st.Blocks * 512
		}
		return nil
	})
	return total, err
}
