package sandbox

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
)

// Hierarchies are a container's cgroups on v1, made ahead of Create.
type Hierarchies struct {
	// Shown are the cgroups that a container sees, by the last part of where their
	// hierarchies are mounted, such as "cpu,cpuacct".
	Shown map[string]string
	// all are those that libcontainer will use, sorted.
	all []string
}

// MakeHierarchies makes a container's cgroups ahead of Create. path is the
// specification's cgroupsPath. The result is nil on v2, and where only
// libcontainer knows at last where they will be; on error none are left.
func MakeHierarchies(path string) (*Hierarchies, error) {
	if cgroups.IsCgroup2UnifiedMode() || !filepath.IsAbs(path) {
		return nil, nil
	}
	mounts, err := cgroups.GetCgroupMounts(false)
	if err != nil {
		return nil, err
	}
	m, err := fs.NewManager(&cgroups.Cgroup{Path: path, Resources: &cgroups.Resources{}}, nil)
	if err != nil {
		return nil, err
	}
	h := &Hierarchies{Shown: map[string]string{}}
	h.all = slices.Sorted(maps.Values(m.GetPaths()))
	h.all = slices.Compact(h.all)
	for _, mm := range mounts {
		dir := filepath.Join(mm.Mountpoint, path)
		// One that libcontainer does not join shows the container another group.
		if _, used := slices.BinarySearch(h.all, dir); mm.Root != "/" || !used {
			return nil, nil
		}
		h.Shown[filepath.Base(mm.Mountpoint)] = dir
	}
	for _, dir := range h.all {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, errors.Join(err, h.Remove())
		}
	}
	return h, nil
}

// Remove removes the cgroups, which are empty.
func (h *Hierarchies) Remove() error {
	if h == nil {
		return nil
	}
	var errs []error
	for _, dir := range h.all {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
