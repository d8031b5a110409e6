package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	"golang.org/x/sys/unix"
)

// leaveTime bounds how long a cgroup may stay busy whose process has left it.
const leaveTime = 2 * time.Second

// leaveCgroups takes the first process, which still waits for Start, out of the
// cgroups that it was made in, into those of this process, and removes them:
// libcontainer makes no container without.
func (s *Sandbox) leaveCgroups() error {
	st, err := s.container.State()
	if err != nil {
		return fmt.Errorf("cannot do without a cgroup: %w", err)
	}
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("cannot do without a cgroup: %w", err)
	}
	for controller, dir := range st.CgroupPaths {
		if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
			continue // an ordinary user may have been given none
		}
		home, err := ownCgroup(controller, own)
		if err == nil {
			err = cgroups.WriteCgroupProc(home, s.pid)
		}
		if err == nil {
			err = removeLeft(dir)
		}
		if err != nil {
			return fmt.Errorf("cannot do without the cgroup %s: %w", dir, err)
		}
	}
	s.cgroups = []string{}
	return nil
}

// ownCgroup is the directory of this process's cgroup in a controller's
// hierarchy; "" is the one of cgroup v2. own is what /proc/self/cgroup says.
func ownCgroup(controller string, own map[string]string) (string, error) {
	path, ok := own[controller]
	if !ok {
		return "", fmt.Errorf("this process has no cgroup of the hierarchy %q", controller)
	}
	if controller != "" {
		mount, root, err := cgroups.FindCgroupMountpointAndRoot("", controller)
		if err != nil {
			return "", err
		}
		return filepath.Join(mount, strings.TrimPrefix(path, strings.TrimSuffix(root, "/"))), nil
	}
	mount := fs2.UnifiedMountpoint
	if !cgroups.IsCgroup2UnifiedMode() {
		mount = filepath.Join(mount, "unified")
	}
	return filepath.Join(mount, path), nil
}

// removeLeft removes a cgroup whose last process has just left.
func removeLeft(dir string) error {
	deadline := time.Now().Add(leaveTime)
	for pause := time.Millisecond; ; pause *= 2 {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}
