package state

import (
	"strings"
	"time"
)

// ConfigVersion is the version that this skiff writes into config.json.
const ConfigVersion = 1

// Config is what was asked of a container, completed once from the image and
// the engine's defaults (libpod/resolve) and stored as
// containers/<id>/config.json. It does not change while the container runs,
// save by rename and update.
type Config struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`   // 64 lower-case hex digits
	Name    string    `json:"name"` // [a-zA-Z0-9][a-zA-Z0-9_.-]*
	Created time.Time `json:"created"`
	// CreateCommand is the command line that made the container, for inspect.
	CreateCommand []string `json:"createCommand,omitempty"`

	Image   ImageRef `json:"image"`
	Process Process  `json:"process"`

	Hostname   string `json:"hostname,omitempty"`
	Domainname string `json:"domainname,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	Mounts []Mount `json:"mounts,omitempty"`
	// ReadOnly makes the root file system read-only. Docker: --read-only.
	ReadOnly bool `json:"readOnly,omitempty"`
	// ReadOnlyTmpfs gives a read-only container writable tmpfs on /run, /tmp and
	// /var/tmp. Podman: --read-only-tmpfs.
	ReadOnlyTmpfs bool `json:"readOnlyTmpfs,omitempty"`
	// ShmSize is the size of /dev/shm in bytes. Docker: --shm-size.
	ShmSize int64 `json:"shmSize,omitempty"`

	Network    Network    `json:"network"`
	Namespaces Namespaces `json:"namespaces"`
	// IDMaps are those of a user namespace of the container's own, nil without
	// one, and with one that is given by its path.
	IDMaps    *IDMaps   `json:"idMaps,omitempty"`
	Resources Resources `json:"resources"`
	Security  Security  `json:"security"`
	Devices   []Device  `json:"devices,omitempty"`
	Ulimits   []Ulimit  `json:"ulimits,omitempty"`
	// Sysctls are kernel parameters of the container's namespaces.
	// OCI: linux.sysctl. Docker: --sysctl.
	Sysctls map[string]string `json:"sysctls,omitempty"`

	Restart RestartPolicy `json:"restart"`
	Log     LogConfig     `json:"log"`
	// Notify says what is told to the service manager that starts the container:
	// one of the Notify constants, empty for conmon where systemd itself started
	// the command. Podman: --sdnotify.
	Notify string `json:"notify,omitempty"`
	// AutoRemove removes the container when it has ended. Docker: --rm.
	AutoRemove bool `json:"autoRemove,omitempty"`
	// Healthcheck is the image's or the user's; nil means none.
	Healthcheck *Healthcheck `json:"healthcheck,omitempty"`
	// NoHealthcheck says that the user wants none, or the image; it is only shown.
	// Docker: --no-healthcheck.
	NoHealthcheck bool `json:"noHealthcheck,omitempty"`

	// CgroupManager is "cgroupfs" or "systemd", as it was when the container was made.
	CgroupManager string `json:"cgroupManager"`
	// CgroupParent is the cgroup below which the container's own is made; empty
	// means the manager's default. Docker: --cgroup-parent.
	CgroupParent string `json:"cgroupParent,omitempty"`
	// Runtime is the path of an OCI runtime; empty means skiff's own.
	Runtime string `json:"runtime,omitempty"`
	// CIDFile is the file that holds the id, removed with the container by --rm.
	CIDFile string `json:"cidFile,omitempty"`
	// Extras are further settings; nil where none is used.
	Extras *Extras `json:"extras,omitempty"`
}

// Dependencies are the ids of the containers that have to run before this one
// can: those whose namespaces it shares, those it is linked to, and those it was
// told to require.
func (c *Config) Dependencies() []string {
	ids := c.Joins()
	for _, l := range c.Extra().Links {
		ids = append(ids, l.ID)
	}
	return append(ids, c.Extra().Requires...)
}

// Joins are the ids of the containers whose namespaces this one shares.
func (c *Config) Joins() []string {
	ids := []string{}
	n := c.Namespaces
	for _, mode := range []string{c.Network.Mode, n.Pid, n.Ipc, n.Uts, n.User, n.Cgroup} {
		if id, ok := strings.CutPrefix(mode, ModeContainer); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// ImageRef says which image a container was made from.
type ImageRef struct {
	// ID is the image's id (64 hex digits); empty for a container without image.
	ID string `json:"id,omitempty"`
	// Name is the full name the image was found by, such as
	// docker.io/library/httpd:latest; the id where it was named by id.
	Name string `json:"name,omitempty"`
	// Given is the name as the user typed it.
	Given string `json:"given,omitempty"`
}

// Process is the container's first process.
type Process struct {
	// Entrypoint and Cmd are joined to make the argument vector.
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	// Env holds NAME=value, each name once, in the order in which it was first set.
	Env []string `json:"env,omitempty"`
	// Cwd is an absolute path in the container. Docker: --workdir.
	Cwd string `json:"cwd"`
	// User is user[:group], names or numbers, resolved in the container's own
	// /etc/passwd and /etc/group at each start. Docker: --user.
	User string `json:"user,omitempty"`
	// Groups are supplementary groups, names or numbers. Docker: --group-add.
	Groups []string `json:"groups,omitempty"`
	// Terminal gives the process a pseudo-terminal. Docker: --tty.
	Terminal bool `json:"terminal,omitempty"`
	// OpenStdin keeps standard input open when nobody is attached. Docker: --interactive.
	OpenStdin bool `json:"openStdin,omitempty"`
	// StdinOnce closes standard input when the first attached client leaves,
	// as a foreground run does.
	StdinOnce bool `json:"stdinOnce,omitempty"`
	// AttachStdin, AttachStdout, AttachStderr say what the creating command was
	// attached to; only inspect shows them.
	AttachStdin  bool `json:"attachStdin,omitempty"`
	AttachStdout bool `json:"attachStdout,omitempty"`
	AttachStderr bool `json:"attachStderr,omitempty"`
	// StopSignal is a signal number; 0 means SIGTERM. Docker: --stop-signal.
	StopSignal int `json:"stopSignal,omitempty"`
	// StopTimeout is how many seconds stop waits before it kills; nil means 10.
	// Docker: --stop-timeout; -1 waits without end.
	StopTimeout *int `json:"stopTimeout,omitempty"`
	// Init puts a small init process in front. Docker: --init.
	Init bool `json:"init,omitempty"`
	// OOMScoreAdj is written to /proc/self/oom_score_adj; nil leaves it alone.
	OOMScoreAdj *int `json:"oomScoreAdj,omitempty"`
}

// Args is the argument vector: entrypoint and command joined.
func (p Process) Args() []string {
	return append(append(make([]string, 0, len(p.Entrypoint)+len(p.Cmd)), p.Entrypoint...), p.Cmd...)
}

// Kinds of Mount.
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
	MountImage  = "image"
	MountRamfs  = "ramfs"
	MountDevpts = "devpts"
	// MountLayers shows Mount.Layers, in steps of builds.
	MountLayers = "layers"
)

// Mount is something mounted into the container. Docker: -v, --mount, --tmpfs.
type Mount struct {
	Type string `json:"type"` // one of the Mount constants
	// Source is an absolute host path (bind), a volume's name (volume) or an
	// image's id (image).
	Source string `json:"source,omitempty"`
	// ImageName is the image as the user named it (image).
	ImageName string `json:"imageName,omitempty"`
	// Target is a clean absolute path in the container.
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Propagation is one of private, rprivate, shared, rshared, slave, rslave;
	// empty means rprivate.
	Propagation string `json:"propagation,omitempty"`
	// Options are further mount options in mount(8)'s words, such as nosuid,
	// noexec, size=64m, mode=1777.
	Options []string `json:"options,omitempty"`
	// IDMap are the maps of the option idmap where they are not those of the
	// container's user namespace. Podman: idmap=uids=…;gids=….
	IDMap *MountIDMap `json:"idMap,omitempty"`
	// NonRecursive leaves out what is mounted below Source.
	NonRecursive bool `json:"nonRecursive,omitempty"`
	// NoCopy keeps a new volume empty instead of filling it with what the image
	// has at Target.
	NoCopy bool `json:"noCopy,omitempty"`
	// Anonymous marks a volume that got a generated name and goes with the
	// container (rm -v, --rm).
	Anonymous bool `json:"anonymous,omitempty"`
	// Subpath is the part of the volume, image or layers to mount. Docker:
	// volume-subpath.
	Subpath string `json:"subpath,omitempty"`
	// MakeSource has a host path made where it does not exist. Docker: -v,
	// --mount bind-create-src.
	MakeSource bool `json:"makeSource,omitempty"`
	// Below says what a read-only mount means for what is mounted below Source; empty
	// is read-only where the kernel can. Docker: bind-recursive.
	Below string `json:"below,omitempty"`
	// Overlay keeps Source, a directory or volume, as it is. Podman: the option O.
	Overlay *MountOverlay `json:"overlay,omitempty"`
	// Layers are directories that are shown merged, lowest first (layers). What is
	// written to them is thrown away.
	Layers []string `json:"layers,omitempty"`
}

// Values of Mount.Below.
const (
	BelowReadOnly = "readonly" // or the container does not start
	BelowWritable = "writable"
)

// MountOverlay is a layer above a mount's source that takes what is written.
type MountOverlay struct {
	// Upper and Work are directories of the host's that keep the changes; empty for
	// a layer of the container's own, which each start begins without.
	Upper string `json:"upper,omitempty"`
	Work  string `json:"work,omitempty"`
}

// InMemory reports whether the mount has no source: its files are gone with the
// container's end.
func (m Mount) InMemory() bool {
	return m.Type == MountTmpfs || m.Type == MountRamfs || m.Type == MountDevpts
}

// Namespaces says where each namespace comes from: "" or "private" for a new
// one, "host", or "container:<id>". For Ipc also "none" and "shareable". For User
// also "auto", "keep-id" and "nomap" with their options and "ns:PATH"; what they
// came to is in Config.IDMaps.
type Namespaces struct {
	Pid    string `json:"pid,omitempty"`
	Ipc    string `json:"ipc,omitempty"`
	Uts    string `json:"uts,omitempty"`
	User   string `json:"user,omitempty"`
	Cgroup string `json:"cgroup,omitempty"`
}

// Resources are the container's limits. Zero or nil means no limit of ours.
type Resources struct {
	// Memory is the hard limit in bytes.
	// OCI: linux.resources.memory.limit. Docker: --memory.
	Memory int64 `json:"memory,omitempty"`
	// MemorySwap is memory plus swap in bytes, -1 for no limit on swap; resolved
	// to twice Memory where the user gave only Memory. Docker: --memory-swap.
	MemorySwap int64 `json:"memorySwap,omitempty"`
	// MemoryReservation is the soft limit in bytes. Docker: --memory-reservation.
	MemoryReservation int64 `json:"memoryReservation,omitempty"`
	// MemorySwappiness is 0 to 100; nil leaves the kernel's. cgroup v1 only.
	MemorySwappiness *int64 `json:"memorySwappiness,omitempty"`
	OOMKillDisable   bool   `json:"oomKillDisable,omitempty"`

	// CPUShares is the relative weight, 2 to 262144. Docker: --cpu-shares.
	CPUShares uint64 `json:"cpuShares,omitempty"`
	// NanoCPUs is a limit in units of 1e-9 CPUs. Docker: --cpus.
	NanoCPUs int64 `json:"nanoCpus,omitempty"`
	// CPUPeriod and CPUQuota are in microseconds. Docker: --cpu-period, --cpu-quota.
	CPUPeriod          uint64 `json:"cpuPeriod,omitempty"`
	CPUQuota           int64  `json:"cpuQuota,omitempty"`
	CPURealtimePeriod  uint64 `json:"cpuRealtimePeriod,omitempty"`
	CPURealtimeRuntime int64  `json:"cpuRealtimeRuntime,omitempty"`
	// CpusetCpus and CpusetMems are lists such as "0-2,7".
	CpusetCpus string `json:"cpusetCpus,omitempty"`
	CpusetMems string `json:"cpusetMems,omitempty"`

	// PidsLimit bounds the number of tasks; 0 is skiff's default, -1 no limit.
	PidsLimit int64 `json:"pidsLimit,omitempty"`

	// BlkioWeight is 10 to 1000. Docker: --blkio-weight.
	BlkioWeight       uint16           `json:"blkioWeight,omitempty"`
	BlkioWeightDevice []WeightDevice   `json:"blkioWeightDevice,omitempty"`
	DeviceReadBps     []ThrottleDevice `json:"deviceReadBps,omitempty"`
	DeviceWriteBps    []ThrottleDevice `json:"deviceWriteBps,omitempty"`
	DeviceReadIOps    []ThrottleDevice `json:"deviceReadIops,omitempty"`
	DeviceWriteIOps   []ThrottleDevice `json:"deviceWriteIops,omitempty"`
}

// ThrottleDevice limits one block device; Rate is bytes or operations a second.
type ThrottleDevice struct {
	Path string `json:"path"`
	Rate uint64 `json:"rate"`
}

// WeightDevice is the block I/O weight (10 to 1000) on one block device.
type WeightDevice struct {
	Path   string `json:"path"`
	Weight uint16 `json:"weight"`
}

// Security is what the container's processes may do.
type Security struct {
	// Privileged lifts nearly every restriction. Docker: --privileged.
	Privileged bool `json:"privileged,omitempty"`
	// CapAdd and CapDrop are what the user gave, upper case with CAP_, or ALL.
	CapAdd  []string `json:"capAdd,omitempty"`
	CapDrop []string `json:"capDrop,omitempty"`
	// Capabilities is the resulting bounding set, sorted.
	Capabilities []string `json:"capabilities"`
	// Options are the --security-opt values as given, for inspect.
	Options []string `json:"options,omitempty"`
	// NoNewPrivileges sets the process attribute of that name.
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// Seccomp is "" for the built-in profile, "unconfined", or the profile
	// itself as JSON, read when the container was made.
	Seccomp string `json:"seccomp,omitempty"`
	// SeccompPath is where Seccomp was read from, for inspect.
	SeccompPath string `json:"seccompPath,omitempty"`
	// AppArmor is a profile's name, "" for the host's default, or "unconfined".
	AppArmor string `json:"apparmor,omitempty"`
	// Label are the SELinux label options (level:…, type:…, disable).
	Label []string `json:"label,omitempty"`
	// Mask and Unmask change the list of hidden and read-only paths; Unmask may
	// be ALL. systempaths=unconfined is Unmask ALL.
	Mask   []string `json:"mask,omitempty"`
	Unmask []string `json:"unmask,omitempty"`
}

// Device is a device node of the host given to the container.
// Docker: --device HOST[:CONTAINER[:rwm]].
type Device struct {
	// Vendor is the name of a device that its vendor describes on the host (Container
	// Device Interface), such as vendor.com/class=name; the rest is empty then.
	// Docker, Podman: --device, --gpus.
	Vendor      string `json:"vendor,omitempty"`
	Host        string `json:"host,omitempty"`
	Container   string `json:"container,omitempty"`
	Permissions string `json:"permissions,omitempty"` // of r, w, m
}

// Ulimit is a resource limit of the first process; -1 is unlimited.
// OCI: process.rlimits. Docker: --ulimit name=soft[:hard].
type Ulimit struct {
	Name string `json:"name"` // lower case without RLIMIT_, such as nofile
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Restart policies. Docker: --restart.
const (
	RestartNo            = "no"
	RestartOnFailure     = "on-failure"
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
)

// RestartPolicy says what happens when the container ends by itself.
type RestartPolicy struct {
	Name string `json:"name"` // one of the Restart constants
	// MaxRetries bounds on-failure; 0 means no bound.
	MaxRetries int `json:"maxRetries,omitempty"`
}

// Who tells the service manager that a container is ready, see sd_notify(3).
// Podman: --sdnotify.
const (
	// NotifyContainer: the container's program, through a socket of its own.
	NotifyContainer = "container"
	// NotifyConmon: skiff, when the program begins.
	NotifyConmon = "conmon"
	// NotifyHealthy: skiff, when the first health check has succeeded.
	NotifyHealthy = "healthy"
	// NotifyIgnore: nobody.
	NotifyIgnore = "ignore"
)

// Log drivers. Docker: --log-driver.
const (
	LogJSONFile    = "json-file"
	LogK8sFile     = "k8s-file"
	LogJournald    = "journald"
	LogNone        = "none"
	LogPassthrough = "passthrough"
)

// LogConfig says where the container's output is kept.
type LogConfig struct {
	Driver string `json:"driver"` // one of the Log constants
	// Path is the log file of a file driver.
	Path string `json:"path,omitempty"`
	// MaxSize is the size in bytes at which a file is rotated; -1 means never.
	MaxSize int64 `json:"maxSize,omitempty"`
	// MaxFiles is how many files are kept, the current one included.
	MaxFiles int `json:"maxFiles,omitempty"`
	// Tag is a name for the journal, already expanded.
	Tag string `json:"tag,omitempty"`
	// Options are the --log-opt values as given, for inspect.
	Options map[string]string `json:"options,omitempty"`
}
