package libpod

import (
	"context"
	"errors"
	"path/filepath"

	"skiff/runtime/teardown"
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

// LeaveCgroups removes that parent if it is empty and not the default roots', see
// teardown.PassingParents.
func (e *Engine) LeaveCgroups() error {
	if Suffix(e.Roots) == "" {
		return nil
	}
	return e.collectCgroups()
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
	return teardown.RemoveParents(e.Roots.CgroupsLock(), dirs)
}
