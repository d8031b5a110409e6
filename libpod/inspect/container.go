package inspect

import (
	"cmp"
	"strings"
	"time"

	"skiff/state"
)

// ociVersion is the runtime specification that containers are made to.
const ociVersion = "1.2.0"

// ContainerDocument is podman's document of a container; docker's keys are
// among its own.
type ContainerDocument struct {
	Id              string
	Created         time.Time
	Path            string
	Args            []string
	State           *ContainerState
	Image           string
	ImageDigest     string
	ImageName       string
	Rootfs          string
	Pod             string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	StaticDir       string
	OCIRuntime      string
	LogPath         string
	ConmonPidFile   string
	PidFile         string
	Name            string
	RestartCount    int
	Driver          string
	Platform        string `json:",omitempty"`
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	EffectiveCaps   []string
	BoundingCaps    []string
	ExecIDs         []string
	GraphDriver     GraphDriver
	SizeRw          *int64 `json:",omitempty"`
	SizeRootFs      *int64 `json:",omitempty"`
	Mounts          []Mount
	Dependencies    []string
	NetworkSettings *NetworkSettings
	Namespace       string
	IsInfra         bool
	IsService       bool
	Config          *ContainerConfig
	HostConfig      *HostConfig
}

// ContainerState is how a container fares.
type ContainerState struct {
	OciVersion    string `json:",omitempty"`
	Status        string
	Running       bool
	Paused        bool
	Restarting    bool
	OOMKilled     bool
	Dead          bool
	Pid           int
	ConmonPid     int `json:",omitempty"`
	ExitCode      int
	Error         string
	StartedAt     time.Time
	FinishedAt    time.Time
	CgroupPath    string  `json:",omitempty"`
	StoppedByUser bool    `json:",omitempty"`
	Health        *Health `json:",omitempty"`
}

// ContainerConfig is what the container runs.
type ContainerConfig struct {
	Hostname      string
	Domainname    string
	User          string
	AttachStdin   bool
	AttachStdout  bool
	AttachStderr  bool
	ExposedPorts  map[string]struct{} `json:",omitempty"`
	Tty           bool
	OpenStdin     bool
	StdinOnce     bool
	Env           []string
	Cmd           []string
	Healthcheck   *Healthcheck `json:",omitempty"`
	Image         string
	Volumes       map[string]struct{}
	WorkingDir    string
	Entrypoint    []string
	OnBuild       []string
	Labels        map[string]string
	Annotations   map[string]string `json:",omitempty"`
	StopSignal    string
	CreateCommand []string `json:",omitempty"`
	StopTimeout   *int     `json:",omitempty"`
	SdNotifyMode  string   `json:",omitempty"`
	healthSettings
	ExtraConfig
}

// Healthcheck is how the container's health is to be asked for; durations are
// nanoseconds.
type Healthcheck struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

// Mount is something mounted into the container.
type Mount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string
	Mode        string
	Options     []string `json:",omitempty"`
	RW          bool
	Propagation string
	SubPath     string `json:",omitempty"`
}

// GraphDriver says where the root file system's parts are.
type GraphDriver struct {
	Name string
	Data map[string]string
}

// Podman gives podman's document.
func (c Container) Podman() *ContainerDocument {
	cfg := c.Config
	files := c.Roots.Container(cfg.ID)
	doc := &ContainerDocument{
		Id: cfg.ID, Created: cfg.Created, State: c.state(),
		Image: cfg.Image.ID, ImageName: cfg.Image.Name,
		ResolvConfPath: files.ResolvConf(), HostnamePath: files.HostnameFile(), HostsPath: files.Hosts(),
		StaticDir: files.Data, OCIRuntime: runtimeName(cfg), LogPath: cfg.Log.Path,
		Name: cfg.Name, RestartCount: c.Status.RestartCount, Driver: "overlay",
		AppArmorProfile: cfg.Security.AppArmor,
		EffectiveCaps:   list(cfg.Security.Capabilities), BoundingCaps: list(cfg.Security.Capabilities),
		ExecIDs: []string{}, GraphDriver: c.graph(), SizeRw: c.SizeRw, SizeRootFs: c.SizeRoot,
		Mounts: c.mounts(), Dependencies: cfg.Dependencies(),
		NetworkSettings: networkSettings(c, false), Config: c.config(), HostConfig: hostConfig(c),
	}
	doc.Path, doc.Args = pathArgs(cfg.Process)
	if c.Status.Stopping {
		doc.State.Status = StateStopping
	}
	if c.Image != nil {
		doc.ImageDigest = c.Image.Digest
	}
	if user, _, _ := strings.Cut(cfg.Process.User, ":"); user != "" && user != "root" && user != "0" {
		doc.EffectiveCaps = []string{}
	}
	doc.State.OciVersion = ociVersion
	doc.State.ConmonPid = c.Status.Monitor
	if groups := c.Status.Teardown.Cgroups; len(groups) > 0 && c.Status.Phase.Active() {
		doc.State.CgroupPath = groups[0]
	}
	return doc
}

// DockerContainer is docker's document of a container.
type DockerContainer struct {
	Id              string
	Created         string // as in RFC 3339, as are all of Docker's times
	Path            string
	Args            []string
	State           *DockerContainerState
	Image           string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string
	Name            string
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      *DockerHostConfig
	GraphDriver     GraphDriver
	SizeRw          *int64 `json:",omitempty"`
	SizeRootFs      *int64 `json:",omitempty"`
	Mounts          []Mount
	Config          *ContainerConfig
	NetworkSettings *DockerNetworkSettings
}

// Docker gives docker's document.
func (c Container) Docker() *DockerContainer {
	p := c.Podman()
	doc := &DockerContainer{
		Id: p.Id, Created: dockerTime(p.Created), Path: p.Path, Args: p.Args, State: c.state().docker(),
		Image: "sha256:" + p.Image, ResolvConfPath: p.ResolvConfPath, HostnamePath: p.HostnamePath,
		HostsPath: p.HostsPath, LogPath: p.LogPath, Name: "/" + p.Name, RestartCount: p.RestartCount,
		Driver: dockerDriver, Platform: "linux", AppArmorProfile: p.AppArmorProfile,
		HostConfig: p.HostConfig.docker(), GraphDriver: GraphDriver{dockerDriver, p.GraphDriver.Data}, SizeRw: p.SizeRw, SizeRootFs: p.SizeRootFs,
		Mounts: p.Mounts, Config: p.Config, NetworkSettings: &DockerNetworkSettings{NetworkSettings: networkSettings(c, true)},
	}
	doc.Config.healthSettings = healthSettings{}
	if h := doc.State.Health; h != nil && h.Status == state.HealthStopped {
		h.Status = state.HealthUnhealthy // so has Docker those that have ended
	}
	doc.HostConfig.Binds = dockerBinds(c.Config.Mounts)
	doc.HostConfig.IpcMode = namespaceMode(c.Config.Namespaces.Ipc)
	doc.Config.Image = c.Config.Image.Given
	if doc.Config.Image == "" {
		doc.Config.Image = Familiar(c.Config.Image.Name)
	}
	for i := range doc.Mounts {
		doc.Mounts[i].Options = nil
		if !doc.Mounts[i].RW {
			doc.Mounts[i].Mode = "ro"
		}
	}
	return doc
}

// StateStopping is Podman's word for a container that runs while a stop waits for
// its end; Docker calls that running.
const StateStopping = "stopping"

func (c Container) state() *ContainerState {
	st := c.Status
	return &ContainerState{
		Status: string(st.Phase), Running: st.Phase.Up(), Paused: st.Phase == state.Paused,
		Restarting: st.Phase == state.Restarting, Dead: st.Phase == state.Dead, OOMKilled: st.OOMKilled, StoppedByUser: st.StoppedByUser, Pid: livePid(st),
		ExitCode: st.ExitCode, Error: st.Error, StartedAt: st.StartedAt, FinishedAt: st.FinishedAt,
		Health: health(c.Health),
	}
}

// livePid is the first process where there is one.
func livePid(st state.Live) int {
	if st.Phase.Present() {
		return st.Pid
	}
	return 0
}

func pathArgs(p state.Process) (string, []string) {
	args := p.Args()
	if len(args) == 0 {
		return "", []string{}
	}
	return args[0], args[1:]
}

func (c Container) config() *ContainerConfig {
	cfg, p := c.Config, c.Config.Process
	doc := &ContainerConfig{
		Hostname: cfg.Hostname, Domainname: cfg.Domainname, User: p.User,
		AttachStdin: p.AttachStdin, AttachStdout: p.AttachStdout, AttachStderr: p.AttachStderr,
		Tty: p.Terminal, OpenStdin: p.OpenStdin, StdinOnce: p.StdinOnce,
		Env: list(p.Env), Cmd: p.Cmd, Image: cfg.Image.Name, WorkingDir: p.Cwd, Entrypoint: p.Entrypoint,
		Labels: nonNil(cfg.Labels), Annotations: cfg.Annotations, StopSignal: signalName(p.StopSignal),
		CreateCommand: cfg.CreateCommand, StopTimeout: p.StopTimeout, SdNotifyMode: cfg.Notify, Healthcheck: containerHealth(cfg),
		ExposedPorts: exposed(cfg), healthSettings: settingsOf(cfg.Healthcheck),
		ExtraConfig: extraConfig(cfg.Extra()),
	}
	if doc.Hostname == "" && cfg.Namespaces.Uts == "" {
		doc.Hostname = cfg.ID[:min(12, len(cfg.ID))]
	}
	for _, m := range cfg.Mounts {
		if m.Type == state.MountVolume && m.Anonymous {
			if doc.Volumes == nil {
				doc.Volumes = map[string]struct{}{}
			}
			doc.Volumes[m.Target] = struct{}{}
		}
	}
	return doc
}

func exposed(cfg *state.Config) map[string]struct{} {
	out := map[string]struct{}{}
	for _, e := range cfg.Network.Expose {
		out[e] = struct{}{}
	}
	for _, p := range cfg.Network.Ports {
		out[portKey(p)] = struct{}{}
	}
	return out
}

// containerHealth is the check, or that there is to be none, as Docker shows it.
func containerHealth(cfg *state.Config) *Healthcheck {
	if cfg.NoHealthcheck {
		return &Healthcheck{Test: []string{state.HealthNone}}
	}
	return healthcheck(cfg.Healthcheck)
}

func healthcheck(h *state.Healthcheck) *Healthcheck {
	if h == nil {
		return nil
	}
	return &Healthcheck{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}
}

func (c Container) mounts() []Mount {
	out := []Mount{}
	for _, m := range c.Config.Mounts {
		doc := Mount{
			Type: m.Type, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly,
			Propagation: m.Propagation, Options: m.Options, SubPath: m.Subpath,
		}
		if doc.Propagation == "" && !m.InMemory() {
			doc.Propagation = "rprivate"
		}
		switch m.Type {
		case state.MountVolume:
			doc.Name, doc.Driver, doc.Source = m.Source, "local", c.Roots.VolumeData(m.Source)
		case state.MountImage:
			doc.Source = cmp.Or(m.ImageName, m.Source)
		case state.MountTmpfs:
			continue // HostConfig.Tmpfs has it, as with both others
		case state.MountBind:
			if !m.NonRecursive {
				doc.Options = append([]string{"rbind"}, m.Options...)
			}
		}
		out = append(out, doc)
	}
	return out
}

func (c Container) graph() GraphDriver {
	files := c.Roots.Container(c.Config.ID)
	data := map[string]string{"UpperDir": files.Upper(), "WorkDir": files.Work()}
	if c.Image != nil && len(c.Image.Layers) > 0 {
		data["LowerDir"] = lowerDir(c.Image.Layers)
	}
	if c.Status.Phase.Active() {
		data["MergedDir"] = files.Rootfs()
	}
	return GraphDriver{Name: "overlay", Data: data}
}

// lowerDir joins layers the way overlay's option has them, the top one first.
func lowerDir(layers []string) string {
	top := make([]string, 0, len(layers))
	for i := len(layers) - 1; i >= 0; i-- {
		top = append(top, layers[i])
	}
	return strings.Join(top, ":")
}
