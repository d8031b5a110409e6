package inspect

// Info is podman's document of the machine and the stores. Its Go fields have
// the names that podman's templates use, which differ from JSON's.
type Info struct {
	Host       *HostInfo      `json:"host"`
	Store      *StoreInfo     `json:"store"`
	Registries map[string]any `json:"registries"`
	Plugins    Plugins        `json:"plugins"`
	Version    Version        `json:"version"`
}

// HostInfo describes the machine. Sizes are bytes.
type HostInfo struct {
	Arch               string        `json:"arch"`
	BuildahVersion     string        `json:"buildahVersion,omitempty"`
	CgroupManager      string        `json:"cgroupManager"`
	CgroupsVersion     string        `json:"cgroupVersion"`
	CgroupControllers  []string      `json:"cgroupControllers"`
	Conmon             Program       `json:"conmon"`
	CPUs               int           `json:"cpus"`
	CPUUtilization     *CPUUsage     `json:"cpuUtilization"`
	DatabaseBackend    string        `json:"databaseBackend"`
	Distribution       Distribution  `json:"distribution"`
	EventLogger        string        `json:"eventLogger"`
	Hostname           string        `json:"hostname"`
	IDMappings         IDMappings    `json:"idMappings"`
	Kernel             string        `json:"kernel"`
	LogDriver          string        `json:"logDriver"`
	MemFree            int64         `json:"memFree"`
	MemTotal           int64         `json:"memTotal"`
	NetworkBackend     string        `json:"networkBackend"`
	NetworkBackendInfo NetworkInfo   `json:"networkBackendInfo"`
	OCIRuntime         NamedProgram  `json:"ociRuntime"`
	OS                 string        `json:"os"`
	RemoteSocket       *RemoteSocket `json:"remoteSocket,omitempty"`
	RootlessNetworkCmd string        `json:"rootlessNetworkCmd"`
	ServiceIsRemote    bool          `json:"serviceIsRemote"`
	Security           SecurityInfo  `json:"security"`
	Pasta              Tool          `json:"pasta"`
	SwapFree           int64         `json:"swapFree"`
	SwapTotal          int64         `json:"swapTotal"`
	Uptime             string        `json:"uptime"`
	Variant            string        `json:"variant"`
	Linkmode           string        `json:"linkmode"`
}

// Parts of HostInfo.
type (
	// Program is a program that is part of skiff; conmon's place is the monitor's.
	Program struct {
		Package string `json:"package"`
		Path    string `json:"path"`
		Version string `json:"version"`
	}
	// NamedProgram is the OCI runtime.
	NamedProgram struct {
		Name    string `json:"name"`
		Package string `json:"package"`
		Path    string `json:"path"`
		Version string `json:"version"`
	}
	// Tool is a program that skiff uses where it is installed.
	Tool struct {
		Executable string `json:"executable"`
		Package    string `json:"package"`
		Version    string `json:"version"`
	}
	// NetworkInfo describes what makes the networks.
	NetworkInfo struct {
		Backend string `json:"backend"`
		Version string `json:"version,omitempty"`
		Package string `json:"package,omitempty"`
		Path    string `json:"path,omitempty"`
		DNS     Tool   `json:"dns"`
	}
	// CPUUsage is in percent since boot.
	CPUUsage struct {
		UserPercent   float64 `json:"userPercent"`
		SystemPercent float64 `json:"systemPercent"`
		IdlePercent   float64 `json:"idlePercent"`
	}
	// Distribution is from os-release(5).
	Distribution struct {
		Distribution string `json:"distribution"`
		Variant      string `json:"variant,omitempty"`
		Version      string `json:"version"`
		Codename     string `json:"codename,omitempty"`
		Pretty       string `json:"-"`
	}
	// IDMappings are those of the user namespace that skiff is in.
	IDMappings struct {
		GIDMap []IDMap `json:"gidmap"`
		UIDMap []IDMap `json:"uidmap"`
	}
	// IDMap maps a range of ids.
	IDMap struct {
		ContainerID int64 `json:"container_id"`
		HostID      int64 `json:"host_id"`
		Size        int64 `json:"size"`
	}
	// RemoteSocket is the socket of a service.
	RemoteSocket struct {
		Path   string `json:"path,omitempty"`
		Exists bool   `json:"exists"`
	}
	// SecurityInfo says what guards containers.
	SecurityInfo struct {
		AppArmorEnabled     bool   `json:"apparmorEnabled"`
		DefaultCapabilities string `json:"capabilities"`
		Rootless            bool   `json:"rootless"`
		SECCOMPEnabled      bool   `json:"seccompEnabled"`
		SECCOMPProfilePath  string `json:"seccompProfilePath"`
		SELinuxEnabled      bool   `json:"selinuxEnabled"`
	}
)

// StoreInfo describes where skiff keeps things. Sizes are bytes.
type StoreInfo struct {
	ConfigFile     string `json:"configFile"`
	ContainerStore struct {
		Number  int `json:"number"`
		Paused  int `json:"paused"`
		Running int `json:"running"`
		Stopped int `json:"stopped"`
	} `json:"containerStore"`
	GraphDriverName    string            `json:"graphDriverName"`
	GraphOptions       map[string]any    `json:"graphOptions"`
	GraphRoot          string            `json:"graphRoot"`
	GraphRootAllocated uint64            `json:"graphRootAllocated"`
	GraphRootUsed      uint64            `json:"graphRootUsed"`
	GraphStatus        map[string]string `json:"graphStatus"`
	ImageCopyTmpDir    string            `json:"imageCopyTmpDir"`
	ImageStore         struct {
		Number int `json:"number"`
	} `json:"imageStore"`
	RunRoot        string `json:"runRoot"`
	VolumePath     string `json:"volumePath"`
	TransientStore bool   `json:"transientStore"`
}

// Plugins are the names of the drivers that there are.
type Plugins struct {
	Volume        []string `json:"volume"`
	Network       []string `json:"network"`
	Log           []string `json:"log"`
	Authorization []string `json:"authorization"`
}

// Version is podman's document of a version.
type Version struct {
	APIVersion string
	Version    string
	GoVersion  string
	GitCommit  string
	BuiltTime  string
	Built      int64
	OsArch     string
	Os         string
}

// DockerInfo is docker's document of the engine.
type DockerInfo struct {
	ID                 string
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	Plugins            DockerPlugins
	MemoryLimit        bool
	SwapLimit          bool
	CpuCfsPeriod       bool
	CpuCfsQuota        bool
	CPUShares          bool
	CPUSet             bool
	PidsLimit          bool
	IPv4Forwarding     bool
	Debug              bool
	NFd                int
	OomKillDisable     bool
	NGoroutines        int
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string
	KernelVersion      string
	OperatingSystem    string
	OSVersion          string
	OSType             string
	Architecture       string
	IndexServerAddress string
	NCPU               int
	MemTotal           int64
	DockerRootDir      string
	HttpProxy          string
	HttpsProxy         string
	NoProxy            string
	Name               string
	Labels             []string
	ExperimentalBuild  bool
	ServerVersion      string
	Runtimes           map[string]DockerRuntime
	DefaultRuntime     string
	LiveRestoreEnabled bool
	Isolation          string
	InitBinary         string
	SecurityOptions    []string
	Swarm              DockerSwarm
	Warnings           []string
}

// DockerSwarm says that there is no swarm, which scripts ask for.
type DockerSwarm struct {
	NodeID, NodeAddr, LocalNodeState string
	ControlAvailable                 bool
	Error                            string
	RemoteManagers                   []struct{}
}

// DockerPlugins are the names of the drivers that there are.
type DockerPlugins struct {
	Volume, Network, Authorization, Log []string
}

// DockerRuntime is an OCI runtime.
type DockerRuntime struct {
	Path string `json:"path"`
}

// Docker gives docker's document of the same facts.
func (i *Info) Docker() *DockerInfo {
	h, s := i.Host, i.Store
	has := func(name string) bool {
		for _, c := range h.CgroupControllers {
			if c == name {
				return true
			}
		}
		return false
	}
	d := &DockerInfo{
		Containers: s.ContainerStore.Number, ContainersRunning: s.ContainerStore.Running,
		ContainersPaused: s.ContainerStore.Paused, ContainersStopped: s.ContainerStore.Stopped,
		Images: s.ImageStore.Number, Driver: dockerDriver,
		Plugins:     DockerPlugins{i.Plugins.Volume, i.Plugins.Network, i.Plugins.Authorization, i.Plugins.Log},
		MemoryLimit: has("memory"), SwapLimit: has("memory"), CpuCfsPeriod: has("cpu"), CpuCfsQuota: has("cpu"),
		CPUShares: has("cpu"), CPUSet: has("cpuset"), PidsLimit: has("pids"), IPv4Forwarding: true,
		OomKillDisable: h.CgroupsVersion == "v1", LoggingDriver: h.LogDriver, CgroupDriver: h.CgroupManager,
		CgroupVersion: h.CgroupsVersion[1:], KernelVersion: h.Kernel, OperatingSystem: h.Distribution.Pretty,
		OSVersion: h.Distribution.Version, OSType: h.OS, Architecture: machine(h.Arch),
		IndexServerAddress: "https://index.docker.io/v1/", NCPU: h.CPUs, MemTotal: h.MemTotal,
		DockerRootDir: s.GraphRoot, Name: h.Hostname, Labels: []string{}, ServerVersion: i.Version.Version,
		Runtimes:       map[string]DockerRuntime{h.OCIRuntime.Name: {h.OCIRuntime.Path}},
		DefaultRuntime: h.OCIRuntime.Name, LiveRestoreEnabled: true, InitBinary: "skiff-init",
		SecurityOptions: []string{}, Swarm: DockerSwarm{LocalNodeState: "inactive"}, Warnings: []string{},
	}
	for _, k := range sortedKeys(s.GraphStatus) {
		d.DriverStatus = append(d.DriverStatus, [2]string{k, s.GraphStatus[k]})
	}
	if h.Security.AppArmorEnabled {
		d.SecurityOptions = append(d.SecurityOptions, "name=apparmor")
	}
	if h.Security.SECCOMPEnabled {
		d.SecurityOptions = append(d.SecurityOptions, "name=seccomp,profile=builtin")
	}
	if h.Security.Rootless {
		d.SecurityOptions = append(d.SecurityOptions, "name=rootless")
	}
	return d
}

// machine is uname's word for Go's word for an architecture.
func machine(arch string) string {
	switch arch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	}
	return arch
}
