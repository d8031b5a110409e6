package libpod

import (
	"fmt"
	"os"

	"skiff/rootfs/layer"
)

// MountVolume gives the directory of the host where a volume's files are, and
// mounts there what its driver's options ask for, until UnmountVolume. Podman:
// volume mount.
func (e *Engine) MountVolume(name string) (string, error) {
	vol, err := e.Volume(name)
	if err != nil {
		return "", err
	}
	if len(vol.Options) == 0 {
		return vol.Mountpoint, nil
	}
	if e.Rootless() {
		return "", fmt.Errorf("cannot mount volume %q: %w", name, errOwnNamespace)
	}
	dir := e.Roots.VolumeMount(name)
	if layer.Mounted(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot mount volume %q: %w", name, err)
	}
	mounted, err := e.Volumes.AttachAt(name, dir)
	if err != nil || !mounted {
		os.Remove(dir)
		return vol.Mountpoint, err
	}
	return dir, nil
}

// UnmountVolume undoes MountVolume.
func (e *Engine) UnmountVolume(name string) error {
	if _, err := e.Volumes.Load(name); err != nil {
		return err
	}
	return layer.Unmount(e.Roots.VolumeMount(name), false)
}
