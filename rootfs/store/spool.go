package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"skiff/state/dirs"
	"skiff/state/lock"
)

// spool is one process's directory for temporary files. Its lock is held as
// long as the process lives, so that the next one can tell what was left behind.
type spool struct {
	dir  string
	lock *lock.Lock
}

const spoolLock = "lock"

// newSpool makes a directory below roots.Spool() and removes those whose
// makers are gone.
func newSpool(roots dirs.Roots) (*spool, error) {
	sweepSpools(roots.Spool())
	sweepLocks(roots.ImagePulls())
	sweepLinks(filepath.Join(roots.Storage(), "overlay", "l"))
	for range 5 {
		dir, err := os.MkdirTemp(roots.Spool(), strconv.FormatInt(time.Now().Unix(), 36)+"-")
		if err != nil {
			return nil, fmt.Errorf("cannot make a temporary directory: %w", err)
		}
		l, err := lock.Take(filepath.Join(dir, spoolLock))
		if err == nil {
			return &spool{dir, l}, nil
		}
		// A sweep of another process came between the two steps.
		os.RemoveAll(dir)
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("cannot make a temporary directory: %w", err)
		}
	}
	return nil, fmt.Errorf("cannot make a temporary directory in %s: others keep removing it", roots.Spool())
}

func sweepSpools(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		l, err := lock.Try(filepath.Join(dir, spoolLock))
		if err != nil {
			continue // its maker lives
		}
		os.RemoveAll(dir)
		l.Release()
	}
}

// sweepLocks removes the lock files of pulls that were killed.
func sweepLocks(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if l, err := lock.Try(path); err == nil {
			os.Remove(path)
			l.Release()
		}
	}
}

// sweepLinks removes the short names of layers that are gone: containers/storage
// forgets one if it is killed before the layer knows its name. A link is made
// after the layer's directory, so that one to nothing is nobody's.
func sweepLinks(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && e.Type() == os.ModeSymlink {
			os.Remove(path)
		}
	}
}

func (s *spool) remove() {
	os.RemoveAll(s.dir)
	s.lock.Release()
}
