package state

// Extras are settings that few containers have.
type Extras struct {
	// Umask is the first process's file mode creation mask; nil leaves 0022.
	// OCI: process.user.umask. Podman: --umask.
	Umask *uint32 `json:"umask,omitempty"`
	// Timezone is a zone's name such as Europe/Berlin, or "local" for the host's.
	// Podman: --tz.
	Timezone string `json:"timezone,omitempty"`
	// Personality is LINUX or LINUX32. OCI: linux.personality. Podman: --personality.
	Personality string `json:"personality,omitempty"`
	// InitPath is the init program on the host, empty for skiff's own. Podman: --init-path.
	InitPath string `json:"initPath,omitempty"`
	// Systemd prepares the container for systemd as its first process. Podman: --systemd.
	Systemd bool `json:"systemd,omitempty"`
	// ShmSizeSystemd bounds each tmpfs of Systemd in bytes; 0 is no bound.
	// Podman: --shm-size-systemd.
	ShmSizeSystemd int64 `json:"shmSizeSystemd,omitempty"`
	// Timeout is how many seconds the container may run. Podman: --timeout.
	Timeout int `json:"timeout,omitempty"`
	// RemoveImage removes the image with the container. Podman: --rmi.
	RemoveImage bool `json:"removeImage,omitempty"`
	// PreserveFDs are the caller's descriptors that the first process gets under
	// the same numbers. Podman: --preserve-fds, --preserve-fd.
	PreserveFDs []int `json:"preserveFds,omitempty"`

	// AddUser adds entries for a user that the image does not know to the
	// container's passwd and group. Podman: --passwd.
	AddUser bool `json:"addUser,omitempty"`
	// PasswdEntry and GroupEntry are templates of these lines, with $USERNAME,
	// $UID, $GID, $NAME, $HOME and, for a group, $GROUPNAME. Podman:
	// --passwd-entry, --group-entry.
	PasswdEntry string `json:"passwdEntry,omitempty"`
	GroupEntry  string `json:"groupEntry,omitempty"`
	// HostUsers are passwd(5) lines of users of the host that the container knows
	// too. Podman: --hostuser.
	HostUsers []string `json:"hostUsers,omitempty"`
	// KeepGroups leaves the process the groups of whoever starts the container.
	// Podman: --group-add keep-groups.
	KeepGroups bool `json:"keepGroups,omitempty"`

	// ChrootDirs are directories in the container that get the files of the
	// network too. Podman: --chrootdirs.
	ChrootDirs []string `json:"chrootDirs,omitempty"`
	// NoHostname and NoHosts leave the image's /etc/hostname and /etc/hosts alone.
	NoHostname bool `json:"noHostname,omitempty"`
	NoHosts    bool `json:"noHosts,omitempty"`
	// HostsFile is what /etc/hosts begins with: a path on the host, "image", or
	// "none". Podman: --hosts-file.
	HostsFile string `json:"hostsFile,omitempty"`

	// PidFile and MonitorPidFile get the ids of the first process and of the
	// monitor at each start. Podman: --pidfile, --conmon-pidfile.
	PidFile        string `json:"pidFile,omitempty"`
	MonitorPidFile string `json:"monitorPidFile,omitempty"`
	// Requires are ids of containers that are started first. Podman: --requires.
	Requires []string `json:"requires,omitempty"`
	// Rootfs is a directory of the host to run instead of an image. Podman: --rootfs.
	Rootfs *HostRoot `json:"rootfs,omitempty"`
	// Secrets are what the container gets of the engine's secrets. Their content
	// is copied to the container's own directory when it is made.
	Secrets []SecretUse `json:"secrets,omitempty"`

	// DeviceRules are rules for devices as in the kernel's devices.allow, such as
	// "c 42:* rwm". Docker: --device-cgroup-rule.
	DeviceRules []string `json:"deviceRules,omitempty"`
	// ProcOptions are mount options of /proc. Podman: --security-opt proc-opts.
	ProcOptions []string `json:"procOptions,omitempty"`
	// WritableCgroups mounts the container's cgroups so that it can change them.
	// Docker: --security-opt writable-cgroups.
	WritableCgroups bool `json:"writableCgroups,omitempty"`
	// Cgroups is CgroupsDisabled or CgroupsSplit, empty for a cgroup below the usual
	// parent. Podman: --cgroups.
	Cgroups string `json:"cgroups,omitempty"`
	// CgroupConf are files of the cgroup (v2) and what is written to them.
	// OCI: linux.resources.unified. Podman: --cgroup-conf.
	CgroupConf map[string]string `json:"cgroupConf,omitempty"`
	// ReadOnlyDev makes /dev and /dev/shm of a read-only container read-only too.
	// Podman: --read-only-tmpfs=false.
	ReadOnlyDev bool `json:"readOnlyDev,omitempty"`
	// Links are containers of the default network that this one knows by name.
	// Docker: --link.
	Links []Link `json:"links,omitempty"`
	// HooksDirs are where the files are that say which hooks the container has, the
	// most important last; without any the usual ones. Podman: --hooks-dir.
	HooksDirs []string `json:"hooksDirs,omitempty"`
	// VendorDirs are where the descriptions of vendors' devices are, the most
	// important last; without any the usual ones. Podman: cdi_spec_dirs.
	VendorDirs []string `json:"vendorDirs,omitempty"`
	// RdtClass is a class of service of Intel RDT. OCI: linux.intelRdt.closID.
	// Podman: --rdt-class.
	RdtClass string `json:"rdtClass,omitempty"`

	// RuntimeFlags are options of the OCI runtime's own, without the dashes, such as
	// "debug" or "log-format=text". Podman: --runtime-flag.
	RuntimeFlags []string `json:"runtimeFlags,omitempty"`

	// Build makes the container a step of a build; nil for all others.
	Build *BuildStep `json:"build,omitempty"`
}

// Values of Extras.Cgroups.
const (
	// CgroupsDisabled leaves the container's processes in the monitor's own cgroups.
	CgroupsDisabled = "disabled"
	// CgroupsSplit makes the container's cgroup in that of whoever starts it.
	CgroupsSplit = "split"
)

// BuildStep is what a step of a build works on: a root file system of directories
// that belong to the build and outlive the container. Such a container has no name,
// no image and no list that shows it, see dirs.Roots.Steps.
type BuildStep struct {
	// Lower are the layers below, lowest first, Upper and Work the writable one, as
	// overlay takes them. Upper holds afterwards what the program changed, without
	// the places of mounts.
	Lower []string `json:"lower,omitempty"`
	Upper string   `json:"upper"`
	Work  string   `json:"work"`
	// EnvFile holds variables of the program that are in no record, each with a zero
	// byte after it.
	EnvFile string `json:"envFile,omitempty"`
}

// Link is another container that a container knows by a name. Docker: --link.
type Link struct {
	ID string `json:"id"`
	// Name is the other container's when the link was made, Alias the name for it.
	Name  string `json:"name"`
	Alias string `json:"alias"`
}

// HostRoot is a directory of the host that is a container's root file system.
type HostRoot struct {
	Path string `json:"path"` // absolute
	// Overlay keeps what the container writes away from the directory.
	Overlay bool `json:"overlay,omitempty"`
}

// SecretUse is a secret in a container.
type SecretUse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Env is the variable that has the content; empty for a file.
	Env string `json:"env,omitempty"`
	// Target is the file's absolute path in the container, UID, GID and Mode its own.
	Target string `json:"target,omitempty"`
	UID    int    `json:"uid,omitempty"`
	GID    int    `json:"gid,omitempty"`
	Mode   uint32 `json:"mode,omitempty"`
}

// Extra gives the container's extras, none as the zero value.
func (c *Config) Extra() Extras {
	if c.Extras == nil {
		return Extras{}
	}
	return *c.Extras
}

// VolumesFrom names another container whose mounts a new one gets too.
type VolumesFrom struct {
	Container string
	ReadOnly  bool
}
