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

// MakeHierarchies makes the directories of a container's cgroups on v1 ahead of
// Create and gives them by the last part of where their hierarchies are mounted.
// path is the specification's cgroupsPath. There are none on v2, and where only
// libcontainer knows at last where they will be; on error none are left.
func MakeHierarchies(path string) (_ map[string]string, err error) {
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
	out := map[string]string{}
	joined := slices.Collect(maps.Values(m.GetPaths()))
	for _, mm := range mounts {
		dir := filepath.Join(mm.Mountpoint, path)
		// One that libcontainer does not join shows the container another group.
		if mm.Root != "/" || !slices.Contains(joined, dir) {
			return nil, nil
		}
		out[filepath.Base(mm.Mountpoint)] = dir
	}
	for _, dir := range out {
		if merr := os.MkdirAll(dir, 0o755); merr != nil {
			return nil, errors.Join(merr, RemoveHierarchies(out))
		}
	}
	return out, nil
}

// RemoveHierarchies removes what MakeHierarchies made.
func RemoveHierarchies(dirs map[string]string) error {
	var errs []error
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
