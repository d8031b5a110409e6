package stage

import (
	"path"

	"skiff/libpod"
	"skiff/runtime/sandbox"
	"skiff/state"
)

// withoutCgroup says that the container's processes stay in the monitor's cgroups.
func (s *starter) withoutCgroup() bool { return s.cfg.Extra().Cgroups == state.CgroupsDisabled }

// placeCgroup finds where the cgroup is made that is not below the usual parent.
func (s *starter) placeCgroup() (err error) {
	switch {
	case s.cfg.Extra().Cgroups == state.CgroupsSplit:
		s.cgroupPath, err = sandbox.Split(s.cfg.ID)
	case s.withoutCgroup() && !s.facts.UserNS:
		// For a moment there is one, where `system check` would find it.
		s.cgroupPath = path.Join("/", libpod.CgroupPrefix(s.engine.Roots), s.cfg.ID)
	}
	return err
}
