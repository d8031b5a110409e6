package inspect

import (
	"slices"
	"strings"
	"time"

	"skiff/state"
)

// dockerDriver is the name under which Docker knows overlay mounts.
const dockerDriver = "overlay2"

// DockerHostConfig is Docker's part of the same name: where Podman writes empty
// lists, Docker writes null.
type DockerHostConfig struct {
	*HostConfig
	PidsLimit         *int64
	DeviceCgroupRules []string
	DeviceRequests    []DeviceRequest
	KernelMemoryTCP   int64
}

// DeviceRequest is how Docker shows devices that vendors describe.
type DeviceRequest struct {
	Driver       string
	Count        int
	DeviceIDs    []string
	Capabilities [][]string
	Options      map[string]string
}

func (h *HostConfig) docker() *DockerHostConfig {
	out := &DockerHostConfig{HostConfig: h}
	if len(h.vendors) > 0 {
		out.DeviceRequests = []DeviceRequest{{Driver: "cdi", DeviceIDs: h.vendors}}
		h.Devices = slices.DeleteFunc(h.Devices, func(d Device) bool { return slices.Contains(h.vendors, d.PathOnHost) })
	}
	if h.PidsLimit != 0 {
		out.PidsLimit = &h.PidsLimit
	}
	for _, l := range []*[]string{&h.CapAdd, &h.CapDrop, &h.ExtraHosts, &h.GroupAdd, &h.Links, &h.SecurityOpt} {
		*l = unlessEmpty(*l)
	}
	for _, l := range []*[]ThrottleDevice{
		&h.BlkioDeviceReadBps, &h.BlkioDeviceWriteBps, &h.BlkioDeviceReadIOps, &h.BlkioDeviceWriteIOps,
	} {
		*l = unlessEmpty(*l)
	}
	h.Ulimits = unlessEmpty(h.Ulimits)
	for i, u := range h.Ulimits {
		h.Ulimits[i].Name = strings.ToLower(strings.TrimPrefix(u.Name, rlimitPrefix))
	}
	h.IDMappings = nil
	for _, mode := range []*string{&h.PidMode, &h.UTSMode, &h.UsernsMode} {
		if *mode == "private" {
			*mode = "" // docker has no word for it
		}
	}
	return out
}

// DockerContainerState is Docker's part of the same name. Its times are texts,
// which templates take apart and compare.
type DockerContainerState struct {
	*ContainerState
	StartedAt, FinishedAt string
}

func (s *ContainerState) docker() *DockerContainerState {
	return &DockerContainerState{s, dockerTime(s.StartedAt), dockerTime(s.FinishedAt)}
}

func dockerTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func unlessEmpty[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// DockerNetworkSettings is Docker's part of the same name.
type DockerNetworkSettings struct {
	*NetworkSettings
	SecondaryIPAddresses, SecondaryIPv6Addresses []struct{}
}

// dockerBinds are the mounts as -v gave them, without what is usual.
func dockerBinds(mounts []state.Mount) []string {
	var out []string
	for _, m := range mounts {
		if m.Type != state.MountBind && m.Type != state.MountVolume || m.Anonymous {
			continue
		}
		bind := m.Source + ":" + m.Target
		opts := slices.Clone(m.Options)
		if m.ReadOnly {
			opts = append(opts, "ro")
		}
		if m.Propagation != "" {
			opts = append(opts, m.Propagation)
		}
		if len(opts) > 0 {
			bind += ":" + strings.Join(opts, ",")
		}
		out = append(out, bind)
	}
	return out
}

// DockerImageConfig is what Docker writes of an image's configuration: all of
// it, set or not.
type DockerImageConfig struct {
	Hostname, Domainname, User              string
	AttachStdin, AttachStdout, AttachStderr bool
	ExposedPorts                            map[string]struct{} `json:",omitempty"`
	Tty, OpenStdin, StdinOnce               bool
	Env, Cmd                                []string
	Healthcheck                             *Healthcheck `json:",omitempty"`
	Image                                   string
	Volumes                                 map[string]struct{}
	WorkingDir                              string
	Entrypoint, OnBuild                     []string
	Labels                                  map[string]string
	StopSignal                              string   `json:",omitempty"`
	Shell                                   []string `json:",omitempty"`
}

func (c *ImageConfig) docker() *DockerImageConfig {
	if c == nil {
		return nil
	}
	return &DockerImageConfig{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Healthcheck: c.Healthcheck,
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint, OnBuild: c.OnBuild,
		Labels: c.Labels, StopSignal: c.StopSignal, Shell: c.Shell,
	}
}
