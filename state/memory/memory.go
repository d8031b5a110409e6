// Package memory gives places for files that are never to be on a disk, such as
// the secrets of builds: below the run root where that is in memory, else below
// /dev/shm. Nobody but their owner gets there.
//
// Not here: what is in the files.
package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
	"skiff/state/lock"
)

const shm = "/dev/shm"

// Place is a directory of its owner's alone. It goes with Remove, or with the
// next Sweep after its owner has died.
type Place struct {
	Dir  string
	held *lock.Lock
}

// lockName is the file in a place that its owner holds.
const lockName = "lock"

// New makes a place.
func New(roots dirs.Roots) (*Place, error) {
	parent, err := parent(roots)
	if err != nil {
		return nil, fmt.Errorf("cannot keep files in memory: %w", err)
	}
	for {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			return nil, fmt.Errorf("cannot keep files in memory: %w", err)
		}
		held, err := lock.Take(filepath.Join(dir, lockName))
		if errors.Is(err, os.ErrNotExist) {
			continue // swept away before it was held
		}
		if err != nil {
			os.RemoveAll(dir)
			return nil, fmt.Errorf("cannot keep files in memory: %w", err)
		}
		return &Place{dir, held}, nil
	}
}

// Remove takes the place away with all that is in it.
func (p *Place) Remove() error {
	err := os.RemoveAll(p.Dir)
	p.held.Release()
	return err
}

// Sweep removes the places whose owners have died.
func Sweep(roots dirs.Roots) error {
	var errs []error
	for _, parent := range []string{roots.BuildSecrets(), inShm(roots)} {
		entries, err := os.ReadDir(parent)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = ours(parent)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, e := range entries {
			errs = append(errs, sweep(filepath.Join(parent, e.Name())))
		}
		os.Remove(parent) // where nothing is left in it
	}
	return errors.Join(errs...)
}

func sweep(dir string) error {
	l, err := lock.Try(filepath.Join(dir, lockName))
	switch {
	case errors.Is(err, lock.ErrBusy), errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	defer l.Release()
	return os.RemoveAll(dir)
}

// parent makes the directory that holds the places.
func parent(roots dirs.Roots) (string, error) {
	dir := roots.BuildSecrets()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if inMemory(dir) {
		return dir, nil
	}
	os.Remove(dir)
	if !inMemory(shm) {
		return "", fmt.Errorf("neither %s nor %s is a tmpfs", roots.Run, shm)
	}
	dir = inShm(roots)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return dir, ours(dir)
}

// inShm is the same for all processes with these roots. Anybody may have made it
// before them.
func inShm(roots dirs.Roots) string {
	sum := sha256.Sum256([]byte(roots.Run))
	return filepath.Join(shm, "skiff-"+hex.EncodeToString(sum[:8]))
}

// ours makes sure that nobody else can put files into dir or take them away.
func ours(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s belongs to user %s, not to this one: remove it", dir, strconv.Itoa(int(st.Uid)))
	}
	return nil
}

func inMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}
