package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"skiff/runtime/spec"
	"skiff/state"
)

// kernelMounts are the places of what is mounted below the host's /sys/kernel, the
// last mounted first, by the text of mountinfo (proc(5)).
func kernelMounts(mountinfo []byte) (out []string) {
	for line := range bytes.Lines(mountinfo) {
		f := bytes.Fields(line)
		if len(f) > 4 && bytes.HasPrefix(f[4], []byte("/sys/kernel/")) {
			out = append(out, string(f[4]))
		}
	}
	slices.Reverse(out)
	return out
}

// bareSys takes what is mounted below /sys/kernel (tracefs, debugfs, securityfs and
// the like) away from the host's /sys, where the container's user namespace has
// nothing but that to see: for one of its own there would have to be a network
// namespace too. It happens in this process's mount namespace. An ordinary user
// cannot: what hides /sys/kernel then is in the specification.
func (s *starter) bareSys(in *spec.Inputs) error {
	if s.user == nil || s.facts.UserNS || s.cfg.Network.Mode != state.ModeHost {
		return nil
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	places := kernelMounts(info)
	if len(places) > 0 {
		if err := unix.Mount("", "/sys", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("cannot keep the mounts below /sys to the host: %w", err)
		}
	}
	for _, place := range places {
		if err := unix.Unmount(place, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("cannot take %s away from the container: %w", place, err)
		}
	}
	in.BareSys = true
	return nil
}

// systemdCgroup finds the cgroup that systemd in the container manages, on v1.
func (s *starter) systemdCgroup(in *spec.Inputs) error {
	if !s.cfg.Extra().Systemd || in.Host.Cgroup.V2() || s.hierarchies == nil || s.withoutCgroup() {
		return nil
	}
	if h := s.hierarchies(); h != nil {
		in.SystemdCgroup = h.Shown["systemd"]
	}
	return nil
}
