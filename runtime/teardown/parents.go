package teardown

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/lock"
)

// Another one may be removing them just now, who found this one's cgroup there.
const (
	collectTries = 4
	collectPause = time.Millisecond
)

// RemoveParents removes the empty ones among some cgroups that containers share
// for a parent. Whoever makes a container's cgroup holds the lock at lockPath
// shared meanwhile; while somebody does, nothing is removed: the last container
// that ends comes here again.
func RemoveParents(lockPath string, dirs []string) error {
	if len(dirs) == 0 {
		return nil
	}
	l, err := lock.Try(lockPath)
	for range collectTries - 1 {
		if !errors.Is(err, lock.ErrBusy) {
			break
		}
		time.Sleep(collectPause)
		l, err = lock.Try(lockPath)
	}
	if errors.Is(err, lock.ErrBusy) || errors.Is(err, os.ErrNotExist) {
		return nil // somebody starts a container, or nobody ever did
	}
	if err != nil {
		return err
	}
	defer l.Release()
	for _, dir := range dirs {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EROFS) {
			continue
		}
		return fmt.Errorf("cannot remove the cgroup %s: %w", dir, err)
	}
	return nil
}

// PassingParents gives the parents of a container's cgroups that are to go with
// the last container: those of roots that are not the machine's own, whose names
// nobody uses again once the roots are gone (libpod.CgroupPrefix). The parent that
// the default roots have stays, as Docker's does, and so does one that the user
// named.
func PassingParents(cgroups []string) (parents []string) {
	const digits = 8
	for _, dir := range own(cgroups) {
		parent := filepath.Dir(dir)
		hash, found := strings.CutPrefix(filepath.Base(parent), "skiff-")
		if found && len(hash) == digits && strings.Trim(hash, "0123456789abcdef") == "" {
			parents = append(parents, parent)
		}
	}
	return parents
}
