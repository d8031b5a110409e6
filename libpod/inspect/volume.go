package inspect

import (
	"time"

	"skiff/state"
)

// Volume is podman's document of a volume.
type Volume struct {
	Name        string
	Driver      string
	Mountpoint  string
	CreatedAt   time.Time
	Labels      map[string]string
	Scope       string
	Options     map[string]string
	Anonymous   bool `json:",omitempty"`
	MountCount  int
	NeedsCopyUp bool `json:",omitempty"`
	NeedsChown  bool `json:",omitempty"`
}

// DockerVolume is docker's document of a volume.
type DockerVolume struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

// VolumeDocument describes a volume whose content is at mountpoint and which
// users containers mount.
func VolumeDocument(v *state.Volume, mountpoint string, users int) Volume {
	return Volume{
		Name: v.Name, Driver: v.Driver, Mountpoint: mountpoint, CreatedAt: v.Created.Local(), Scope: "local",
		Labels: nonNil(v.Labels), Options: nonNil(v.Options), Anonymous: v.Anonymous,
		MountCount: users, NeedsCopyUp: !v.Filled, NeedsChown: !v.Filled,
	}
}

// DockerVolumeDocument is VolumeDocument in docker's style.
func DockerVolumeDocument(v *state.Volume, mountpoint string) DockerVolume {
	d := DockerVolume{
		CreatedAt: v.Created.Local().Format(time.RFC3339), Driver: v.Driver, Labels: v.Labels,
		Mountpoint: mountpoint, Name: v.Name, Options: v.Options, Scope: "local",
	}
	if v.Anonymous && d.Labels == nil {
		d.Labels = map[string]string{"com.docker.volume.anonymous": ""}
	}
	return d
}
