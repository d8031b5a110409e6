package resolve

import (
	"reflect"

	"skiff/state"
)

// Updated checks and completes the config of a container whose limits, restart
// policy or other settings were changed from those of old; next is changed in
// place. Docker: update.
func Updated(old, next *state.Config, h Host) error {
	if err := updatePolicy(old, next); err != nil {
		return err
	}
	if err := updateHealth(next); err != nil {
		return err
	}
	was, now := old.Resources, &next.Resources
	if reflect.DeepEqual(was, *now) {
		return nil
	}
	if err := updateCPU(was, *now); err != nil {
		return err
	}
	if was.MemorySwap == now.MemorySwap && now.MemorySwap > 0 && now.Memory > now.MemorySwap {
		return invalid("--memory must not be higher than memory plus swap, which is limited to %d bytes: give --memory-swap too", now.MemorySwap)
	}
	b := &builder{cfg: next, in: Input{Host: h}}
	if err := b.memory(); err != nil {
		return err
	}
	return b.cpu()
}

// updatePolicy refuses what contradicts --rm, as Docker does.
func updatePolicy(old, next *state.Config) error {
	if next.AutoRemove && next.Restart != old.Restart && next.Restart.Name != state.RestartNo {
		return conflict("--restart", "--rm")
	}
	return nil
}

// updateHealth refuses what create refuses, too.
func updateHealth(next *state.Config) error {
	if next.Healthcheck == nil && next.Notify == state.NotifyHealthy {
		return invalid("sdnotify policy %q requires a healthcheck to be set", next.Notify)
	}
	return next.Healthcheck.Valid()
}

// updateCPU refuses to mix the two ways to limit CPU time: the container has
// either the one or the other.
func updateCPU(was, now state.Resources) error {
	bandwidth := was.CPUQuota != now.CPUQuota || was.CPUPeriod != now.CPUPeriod
	switch {
	case bandwidth && was.NanoCPUs != 0:
		return invalid("--cpu-period and --cpu-quota cannot be updated: the container is limited by --cpus")
	case was.NanoCPUs != now.NanoCPUs && (was.CPUQuota != 0 || was.CPUPeriod != 0):
		return invalid("--cpus cannot be updated: the container is limited by --cpu-period or --cpu-quota")
	}
	return nil
}
