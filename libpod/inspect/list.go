package inspect

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/state"
)

// ListedContainer is podman's JSON for one container of a list.
type ListedContainer struct {
	AutoRemove   bool
	Command      []string
	CreatedAt    string
	CIDFile      string
	Exited       bool
	ExitedAt     int64
	ExitCode     int
	ExposedPorts map[uint16][]string
	Id           string
	Image        string
	ImageID      string
	IsInfra      bool
	Labels       map[string]string
	Mounts       []string
	Names        []string
	Namespaces   ListedNamespaces
	Networks     []string
	Pid          int
	Pod          string
	PodName      string
	Ports        []ListedPort
	Restarts     int
	Size         *ListedSize
	StartedAt    int64
	State        string
	Status       string
	Created      int64
}

// ListedNamespaces are inode numbers.
type ListedNamespaces struct {
	Mnt    string `json:",omitempty"`
	Cgroup string `json:",omitempty"`
	Ipc    string `json:",omitempty"`
	Net    string `json:",omitempty"`
	Pidns  string `json:",omitempty"`
	Uts    string `json:",omitempty"`
	User   string `json:",omitempty"`
}

// ListedPort is a published port.
type ListedPort struct {
	HostIP        string `json:"host_ip"`
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

// ListedSize are bytes.
type ListedSize struct {
	RootFsSize int64 `json:"rootFsSize"`
	RwSize     int64 `json:"rwSize"`
}

// Listed gives podman's JSON. status and age are the words for people.
func (c Container) Listed(status, age string) ListedContainer {
	cfg, st, ns := c.Config, c.Status, c.Namespaces
	row := ListedContainer{
		AutoRemove: cfg.AutoRemove, Command: list(cfg.Process.Args()), CreatedAt: age, CIDFile: cfg.CIDFile,
		Exited: st.Phase == state.Exited, ExitedAt: unixOr(st.FinishedAt), ExitCode: st.ExitCode,
		ExposedPorts: exposedByPort(cfg.Network.Expose), Id: cfg.ID, Image: cfg.Image.Name, ImageID: cfg.Image.ID,
		Labels: cfg.Labels, Mounts: c.MountNames(), Names: []string{cfg.Name},
		Namespaces: ListedNamespaces{ns.Mnt, ns.Cgroup, ns.IPC, ns.Net, ns.PID, ns.UTS, ns.User},
		Networks:   c.Networks(), Pid: c.Pid(), Restarts: st.RestartCount,
		StartedAt: unixOr(st.StartedAt), State: string(st.Phase), Status: status, Created: cfg.Created.Unix(),
	}
	ports := c.Ports()
	for i := 0; i < len(ports); i++ {
		p, n := ports[i], run(ports[i:])
		row.Ports = append(row.Ports, ListedPort{p.HostIP, p.ContainerPort, p.HostPort, uint16(n), p.Protocol})
		i += n - 1
	}
	if c.SizeRw != nil && c.SizeRoot != nil {
		row.Size = &ListedSize{*c.SizeRoot, *c.SizeRw}
	}
	return row
}

// unixOr is -62135596800 for the zero time, as podman prints it.
func unixOr(t time.Time) int64 { return t.Unix() }

// Ports are the published ports, with the chosen ones while it runs.
func (c Container) Ports() []state.Port {
	if c.Status.Phase.Active() {
		return c.Status.Network.Ports
	}
	return c.Config.Network.Ports
}

// Pid is the first process where there is one, else 0.
func (c Container) Pid() int { return livePid(c.Status) }

// MountNames are the mounts' targets.
func (c Container) MountNames() []string {
	out := []string{}
	for _, m := range c.Config.Mounts {
		if !m.InMemory() {
			out = append(out, m.Target)
		}
	}
	return out
}

// Networks are the names of the bridge networks; none for other modes.
func (c Container) Networks() []string {
	out := []string{}
	if c.Config.Network.Mode == state.ModeBridge {
		for _, ep := range c.Config.Network.Endpoints {
			out = append(out, ep.Network)
		}
	}
	return out
}

func exposedByPort(expose []string) map[uint16][]string {
	if len(expose) == 0 {
		return nil
	}
	out := map[uint16][]string{}
	for _, e := range expose {
		port, proto, ok := strings.Cut(e, "/")
		if !ok {
			proto = "tcp"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			out[uint16(n)] = append(out[uint16(n)], proto)
		}
	}
	return out
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
