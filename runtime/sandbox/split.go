package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	"golang.org/x/sys/unix"
)

const (
	// supervisor is the part of a divided cgroup that its processes are moved to.
	supervisor = "skiff-supervisor"
	// PayloadPrefix with the container's id is the name of the container's part, as
	// with Podman.
	PayloadPrefix = "libpod-payload-"
	// splitTries bounds how often processes are looked for that begin meanwhile.
	splitTries = 100
)

// Split divides the cgroup of this process for a container: into one for the
// container, whose place it gives as the specification's cgroupsPath, and on v2,
// where only a cgroup without processes hands controllers on, into one for all
// processes that are there. A restart finds the same place.
func Split(id string) (string, error) {
	if !cgroups.IsCgroup2UnifiedMode() {
		return PayloadPrefix + id, nil // in each hierarchy below its own
	}
	groups, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("cannot divide the cgroup: %w", err)
	}
	own := groups[""]
	if filepath.Base(own) == supervisor {
		own = filepath.Dir(own)
	}
	if err := emptyOut(filepath.Join(fs2.UnifiedMountpoint, own)); err != nil {
		return "", fmt.Errorf("cannot divide the cgroup %s for --cgroups=split (a systemd unit needs Delegate=yes): %w", own, err)
	}
	return filepath.Join(own, PayloadPrefix+id), nil
}

// emptyOut moves the processes of a cgroup into one below it. The machine's first
// cgroup is left as it is: that one may have both.
func emptyOut(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, "cgroup.events")); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	below := filepath.Join(dir, supervisor)
	for range splitTries {
		pids, err := cgroups.GetPids(dir)
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		for _, pid := range pids {
			if pid == 0 {
				return errors.New("there are processes in it that cannot be seen from here")
			}
			if err := cgroups.WriteCgroupProc(below, pid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return errors.New("its processes begin others faster than they can be moved")
}
