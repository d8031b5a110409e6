package cache

import (
	"path/filepath"
	"time"

	"skiff/state/dirs"
)

// MountVersion is the version of MountRecord.
const MountVersion = 1

// MountRecord is builds/mounts/<key>/mount.json: what a RUN --mount=type=cache
// keeps from build to build. rootfs/build/mounts makes it.
type MountRecord struct {
	Version int       `json:"version"`
	ID      string    `json:"id"` // as in the Dockerfile
	Created time.Time `json:"created"`
	// Used is when a step last began to use it.
	Used time.Time `json:"used"`
}

// MountDir is the directory of a mount: beside its record it has the cache
// itself, a lock that each step that uses it holds, shared or alone, and perhaps
// what its files took when they were last measured.
type MountDir string

// Mount gives the directory of the mount with this key.
func Mount(roots dirs.Roots, key string) MountDir {
	return MountDir(filepath.Join(roots.BuildMounts(), key))
}

func (d MountDir) Record() string { return filepath.Join(string(d), "mount.json") }
func (d MountDir) Data() string   { return filepath.Join(string(d), "data") }
func (d MountDir) Lock() string   { return filepath.Join(string(d), "lock") }
func (d MountDir) size() string   { return filepath.Join(string(d), "size") }
