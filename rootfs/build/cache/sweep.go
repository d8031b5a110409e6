package cache

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"skiff/rootfs/safepath"
	"skiff/state/dirs"
	"skiff/state/lock"
)

// sweepWork removes what builds were at whose processes are gone.
func sweepWork(roots dirs.Roots) {
	entries, err := os.ReadDir(roots.BuildWork())
	if err != nil {
		return
	}
	for _, e := range entries {
		sweepDir(roots, e.Name())
	}
}

// beingMade is how long a directory may be without its lock.
const beingMade = time.Minute

func sweepDir(roots dirs.Roots, name string) {
	dir := filepath.Join(roots.BuildWork(), name)
	if fresh(dir) {
		return
	}
	l, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		return // its maker lives
	}
	defer l.Release()
	// Its maker may wait for the lock, and must not find a directory then.
	if gone := dir + goneSuffix; !strings.HasSuffix(name, goneSuffix) && os.Rename(dir, gone) == nil {
		dir = gone
	}
	removeTree(dir)
}

const goneSuffix = "-gone"

// fresh reports whether a directory has no lock because its maker has not come to
// it yet.
func fresh(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, lockFile)); err == nil {
		return false
	}
	st, err := os.Lstat(dir)
	return err != nil || time.Since(st.ModTime()) < beingMade
}

// removeTree removes a tree that a container has written.
func removeTree(path string) error { return safepath.RemoveAll(path) }

// forgetLost removes, once a boot, the steps of earlier boots whose files may
// not have reached the disk.
func (c *Cache) forgetLost() {
	stamp := filepath.Join(c.Roots.Builds(), "boot")
	if b, err := os.ReadFile(stamp); err == nil && strings.TrimSpace(string(b)) == c.boot {
		return
	}
	entries, err := os.ReadDir(c.Roots.BuildSteps())
	if err != nil {
		return
	}
	for _, e := range entries {
		if _, ok := c.readRecord(e.Name()); !ok {
			_ = c.drop(e.Name())
		}
	}
	_ = os.WriteFile(stamp, []byte(c.boot+"\n"), 0o600)
}

// drop removes a step that nobody uses. What it held is removed at once or, if
// the process is killed before, by the next build.
func (c *Cache) drop(id string) error { return dropStep(c.Roots, c.dir, id) }

// dropStep moves a step that nobody uses to trash, a directory of the caller's,
// and removes it there.
func dropStep(roots dirs.Roots, trash, id string) error {
	dir := filepath.Join(roots.BuildSteps(), id)
	l, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		return err
	}
	gone := filepath.Join(trash, "gone-"+id)
	err = os.Rename(dir, gone)
	l.Release()
	if err != nil {
		return err
	}
	return removeTree(gone)
}
