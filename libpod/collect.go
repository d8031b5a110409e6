package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"skiff/state/lock"
)

// Collect repairs what dead processes left, and takes down what containers
// share and no container uses any more: the bridges and rules of networks and
// the parent of the cgroups. It is called after containers were removed.
func (e *Engine) Collect(ctx context.Context) error {
	return errors.Join(e.Repair(ctx), e.CollectNetworks(), e.collectCgroups(), e.collectMounts())
}

// HoldCgroups keeps the parent of the containers' cgroups from being collected
// between the moment it is found or made and the moment a cgroup is below it.
func (e *Engine) HoldCgroups() (*lock.Lock, error) {
	return lock.Share(e.Roots.CgroupsLock())
}

// collectCgroups removes the parent of the containers' cgroups in each
// hierarchy where it is empty.
func (e *Engine) collectCgroups() error {
	if e.Rootless() {
		return nil // their cgroups have the user's own for a parent
	}
	name := CgroupPrefix(e.Roots)
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	if err != nil {
		return err
	}
	dirs = append(dirs, "/sys/fs/cgroup/"+name)
	l, err := lock.Try(e.Roots.CgroupsLock())
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
