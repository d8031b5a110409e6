package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"skiff/state"
)

func itoa(n int) string { return strconv.Itoa(n) }

// HostConfig is the part of a container's document that says what of the host
// it uses: Docker's keys, and those that Podman adds.
type HostConfig struct {
	Binds                []string
	CgroupManager        string `json:",omitempty"`
	CgroupMode           string
	CgroupnsMode         string
	ContainerIDFile      string
	LogConfig            LogConfig
	NetworkMode          string
	PortBindings         map[string][]HostPort
	RestartPolicy        RestartPolicy
	AutoRemove           bool
	AutoRemoveImage      bool
	Annotations          map[string]string
	VolumeDriver         string
	VolumesFrom          []string
	CapAdd               []string
	CapDrop              []string
	Dns                  []string
	DnsOptions           []string
	DnsSearch            []string
	ExtraHosts           []string
	GroupAdd             []string
	IpcMode              string
	Cgroup               string
	Cgroups              string
	Links                []string
	OomScoreAdj          int
	PidMode              string
	Privileged           bool
	PublishAllPorts      bool
	ReadonlyRootfs       bool
	SecurityOpt          []string
	Sysctls              map[string]string `json:",omitempty"`
	Tmpfs                map[string]string
	UTSMode              string
	UsernsMode           string
	IDMappings           *IDMapTexts `json:",omitempty"`
	ShmSize              int64
	Runtime              string
	ConsoleSize          []uint
	Isolation            string
	CpuShares            uint64
	Memory               int64
	NanoCpus             int64
	CgroupParent         string
	BlkioWeight          uint16
	BlkioWeightDevice    []WeightDevice
	BlkioDeviceReadBps   []ThrottleDevice
	BlkioDeviceWriteBps  []ThrottleDevice
	BlkioDeviceReadIOps  []ThrottleDevice
	BlkioDeviceWriteIOps []ThrottleDevice
	CpuPeriod            uint64
	CpuQuota             int64
	CpuRealtimePeriod    uint64
	CpuRealtimeRuntime   int64
	CpusetCpus           string
	CpusetMems           string
	Devices              []Device
	vendors              []string // of Devices those that vendors describe
	DiskQuota            uint64
	KernelMemory         int64
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     *int64
	OomKillDisable       bool
	Init                 bool `json:",omitempty"`
	PidsLimit            int64
	Ulimits              []Ulimit
	CpuCount             uint64
	CpuPercent           uint64
	IOMaximumIOps        uint64
	IOMaximumBandwidth   uint64
	CgroupConf           map[string]string
	MaskedPaths          []string `json:",omitempty"`
	ReadonlyPaths        []string `json:",omitempty"`
}

// Parts of HostConfig.
type (
	// LogConfig says where the output is kept.
	LogConfig struct {
		Type   string
		Config map[string]string
		Path   string `json:",omitempty"`
		Tag    string `json:",omitempty"`
		Size   string `json:",omitempty"`
	}
	// RestartPolicy is Docker's --restart.
	RestartPolicy struct {
		Name              string
		MaximumRetryCount int
	}
	// HostPort is one end of a published port on the host.
	HostPort struct {
		HostIp   string
		HostPort string
	}
	// WeightDevice is the block I/O weight on a device.
	WeightDevice struct {
		Path   string
		Weight uint16
	}
	// ThrottleDevice is a limit on a device, per second.
	ThrottleDevice struct {
		Path string
		Rate uint64
	}
	// Device is a device node given to the container.
	Device struct {
		PathOnHost        string
		PathInContainer   string
		CgroupPermissions string
	}
	// Ulimit is a resource limit.
	Ulimit struct {
		Name       string
		Soft, Hard int64
	}
)

func hostConfig(c Container) *HostConfig {
	cfg, res := c.Config, c.Config.Resources
	h := &HostConfig{
		Binds:         binds(cfg.Mounts),
		CgroupManager: cfg.CgroupManager, CgroupParent: cfg.CgroupParent, Cgroups: cmp.Or(cfg.Extra().Cgroups, "default"),
		CgroupMode: namespaceMode(cfg.Namespaces.Cgroup), CgroupnsMode: namespaceMode(cfg.Namespaces.Cgroup),
		ContainerIDFile: cfg.CIDFile, LogConfig: logConfig(cfg.Log),
		NetworkMode: networkMode(cfg), PortBindings: portBindings(cfg.Network.Ports),
		RestartPolicy: restartPolicy(cfg.Restart), AutoRemove: cfg.AutoRemove,
		Annotations: nonNil(cfg.Annotations), VolumesFrom: nil,
		CapAdd: list(cfg.Security.CapAdd), CapDrop: list(cfg.Security.CapDrop),
		Dns: list(cfg.Network.DNS), DnsOptions: list(cfg.Network.DNSOptions), DnsSearch: list(cfg.Network.DNSSearch),
		ExtraHosts: list(cfg.Network.ExtraHosts), GroupAdd: list(cfg.Process.Groups),
		IpcMode: ipcMode(cfg.Namespaces.Ipc), PidMode: namespaceMode(cfg.Namespaces.Pid),
		UTSMode: namespaceMode(cfg.Namespaces.Uts), UsernsMode: usernsMode(cfg), IDMappings: idMapTexts(cfg.IDMaps),
		Links: links(cfg), Privileged: cfg.Security.Privileged, PublishAllPorts: cfg.Network.PublishAll,
		ReadonlyRootfs: cfg.ReadOnly, SecurityOpt: list(cfg.Security.Options),
		Sysctls: cfg.Sysctls, Tmpfs: tmpfs(cfg.Mounts), ShmSize: cfg.ShmSize, Runtime: runtimeName(cfg),
		ConsoleSize: []uint{0, 0}, Init: cfg.Process.Init, CgroupConf: nonNil(cfg.Extra().CgroupConf),
		AutoRemoveImage: cfg.Extra().RemoveImage,
		MaskedPaths:     cfg.Security.Mask,
	}
	if cfg.Process.OOMScoreAdj != nil {
		h.OomScoreAdj = *cfg.Process.OOMScoreAdj
	}
	limits(h, res)
	for _, d := range cfg.Devices {
		if d.Vendor != "" {
			h.vendors = append(h.vendors, d.Vendor)
			d.Host, d.Container = d.Vendor, d.Vendor
		}
		h.Devices = append(h.Devices, Device{d.Host, d.Container, d.Permissions})
	}
	for _, u := range cfg.Ulimits {
		h.Ulimits = append(h.Ulimits, Ulimit{rlimitPrefix + strings.ToUpper(u.Name), u.Soft, u.Hard})
	}
	h.Devices, h.Ulimits = list(h.Devices), list(h.Ulimits)
	return h
}

// links are written as Docker does: the other container, this one and its name
// for the other.
func links(cfg *state.Config) []string {
	out := []string{}
	for _, l := range cfg.Extra().Links {
		out = append(out, "/"+l.Name+":/"+cfg.Name+"/"+l.Alias)
	}
	return out
}

// rlimitPrefix begins the kernel's names of limits, which Podman shows.
const rlimitPrefix = "RLIMIT_"

func limits(h *HostConfig, res state.Resources) {
	h.CpuShares, h.NanoCpus = res.CPUShares, res.NanoCPUs
	h.CpuPeriod, h.CpuQuota = res.CPUPeriod, res.CPUQuota
	h.CpuRealtimePeriod, h.CpuRealtimeRuntime = res.CPURealtimePeriod, res.CPURealtimeRuntime
	h.CpusetCpus, h.CpusetMems = res.CpusetCpus, res.CpusetMems
	h.Memory, h.MemorySwap, h.MemoryReservation = res.Memory, res.MemorySwap, res.MemoryReservation
	h.MemorySwappiness, h.OomKillDisable = res.MemorySwappiness, res.OOMKillDisable
	h.PidsLimit, h.BlkioWeight = res.PidsLimit, res.BlkioWeight
	h.BlkioWeightDevice = []WeightDevice{}
	for _, d := range res.BlkioWeightDevice {
		h.BlkioWeightDevice = append(h.BlkioWeightDevice, WeightDevice(d))
	}
	h.BlkioDeviceReadBps, h.BlkioDeviceWriteBps = throttles(res.DeviceReadBps), throttles(res.DeviceWriteBps)
	h.BlkioDeviceReadIOps, h.BlkioDeviceWriteIOps = throttles(res.DeviceReadIOps), throttles(res.DeviceWriteIOps)
}

func throttles(devices []state.ThrottleDevice) []ThrottleDevice {
	out := make([]ThrottleDevice, 0, len(devices))
	for _, d := range devices {
		out = append(out, ThrottleDevice(d))
	}
	return out
}

// list makes an empty list of none: programs that read documents expect [].
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func logConfig(l state.LogConfig) LogConfig {
	out := LogConfig{Type: l.Driver, Config: nonNil(l.Options), Path: l.Path, Tag: l.Tag}
	if l.MaxSize > 0 {
		out.Size = decimalSize(l.MaxSize)
	}
	return out
}

// decimalSize is a size with up to four digits and a decimal unit, such as 10MB.
func decimalSize(n int64) string {
	size, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	i := 0
	for size >= 1000 && i < len(units)-1 {
		size, i = size/1000, i+1
	}
	return strconv.FormatFloat(size, 'g', 4, 64) + units[i]
}

func restartPolicy(r state.RestartPolicy) RestartPolicy {
	if r.Name == "" {
		r.Name = state.RestartNo
	}
	return RestartPolicy{r.Name, r.MaxRetries}
}

func namespaceMode(s string) string {
	if s == "" {
		return "private"
	}
	return s
}

// ipcMode is what others may do with the IPC namespace: unless it was made private
// they can join it.
func ipcMode(s string) string { return cmp.Or(s, "shareable") }

// usernsMode is, as in Podman, private for a namespace of the container's own
// however it was asked for.
func usernsMode(cfg *state.Config) string {
	switch mode := cfg.Namespaces.User; {
	case strings.HasPrefix(mode, state.ModeContainer), state.IsNamespacePath(mode):
		return mode
	case cfg.OwnUserNS():
		return "private"
	case mode == "private":
		return ""
	default:
		return mode
	}
}

// IDMapTexts are the maps of a user namespace, each range as inside:outside:size.
type IDMapTexts struct{ UidMap, GidMap []string }

func idMapTexts(m *state.IDMaps) *IDMapTexts {
	if m == nil {
		return nil
	}
	texts := func(in []state.IDRange) (out []string) {
		for _, r := range in {
			out = append(out, fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Size))
		}
		return out
	}
	return &IDMapTexts{UidMap: texts(m.UIDs), GidMap: texts(m.GIDs)}
}

func runtimeName(cfg *state.Config) string {
	if cfg.Runtime == "" {
		return "skiff"
	}
	return cfg.Runtime
}

func networkMode(cfg *state.Config) string {
	if cfg.Network.Mode == state.ModeBridge && len(cfg.Network.Endpoints) > 0 {
		return cfg.Network.Endpoints[0].Network
	}
	return cfg.Network.Mode
}

// binds are the mounts as -v would give them.
func binds(mounts []state.Mount) []string {
	out := []string{}
	for _, m := range mounts {
		if m.Type != state.MountBind && m.Type != state.MountVolume {
			continue
		}
		out = append(out, m.Source+":"+m.Target+":"+strings.Join(mountOptions(m), ","))
	}
	return out
}

func mountOptions(m state.Mount) []string {
	opts := []string{"rw"}
	if m.ReadOnly {
		opts[0] = "ro"
	}
	if m.Propagation != "" {
		opts = append(opts, m.Propagation)
	} else if !m.InMemory() {
		opts = append(opts, "rprivate")
	}
	opts = append(opts, m.Options...)
	if m.Type == state.MountBind && !m.NonRecursive {
		opts = append(opts, "rbind")
	}
	if m.Overlay != nil {
		opts = append(opts, "O")
	}
	if m.Below == state.BelowReadOnly {
		opts = append(opts, "rro")
	}
	return slices.Compact(opts)
}

func tmpfs(mounts []state.Mount) map[string]string {
	out := map[string]string{}
	for _, m := range mounts {
		if m.Type == state.MountTmpfs {
			out[m.Target] = strings.Join(mountOptions(m), ",")
		}
	}
	return out
}
