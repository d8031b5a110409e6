// Package settings reads containers.conf, the file that Podman, Buildah and
// others share, as far as its keys concern skiff. A machine without such a file
// pays for a few failed opens only.
//
// Not here: which default applies where no file sets a key (libpod/resolve).
package settings

import (
	"time"

	"skiff/rootfs/imagecall"
	"skiff/state"
)

// Settings are the values that were set; a zero value or nil means that no file
// set the key and skiff's own default holds.
type Settings struct {
	Engine     Engine
	Containers Containers
	Network    Network
	// BuildCache is the table [build_cache], which no other program has.
	BuildCache imagecall.CachePolicy
	// Files are the files that were read, in the order in which later ones
	// override earlier ones.
	Files []string
	// Warnings are one line each: keys that nobody knows, once per key.
	Warnings []string
}

// Engine is the table [engine] of containers.conf(5).
type Engine struct {
	// CgroupManager is cgroupfs or systemd.
	CgroupManager string
	// Runtime is a path, or a name in Runtimes or PATH.
	Runtime string
	// RuntimeAsked says that Runtime is of a file that the caller named, and not one
	// that may be the distribution's.
	RuntimeAsked bool
	// Runtimes are the paths to try for each name, the first that exists counts.
	Runtimes map[string][]string
	// RuntimesFlags are options for each name, without the dashes.
	RuntimesFlags map[string][]string
	// Env is added to skiff's own environment, as NAME=value.
	Env []string
	// PullPolicy is always, missing, never or newer.
	PullPolicy string
	// Retry and RetryDelay are for pulls and pushes.
	Retry      *int
	RetryDelay *time.Duration
	// EventsLogger is file, journald or none.
	EventsLogger string
	// EventsLogFile is the path of the log of file; EventsLogSize is its greatest
	// size in bytes, -1 is no limit, 0 not set.
	EventsLogFile string
	EventsLogSize int64
	// EventsInspect puts the document of inspect into the event of a creation.
	EventsInspect bool
	// StopTimeout is in seconds.
	StopTimeout *int
	// HooksDirs are where hooks are, see libpod/hooks; none means the usual places.
	HooksDirs []string
	// VendorDirs are where vendors describe devices (CDI); none means the usual places.
	VendorDirs []string
	// InitPath is the program that --init puts in front.
	InitPath string
	// ImageVolumeMode is anonymous (bind), tmpfs or ignore (nullfs).
	ImageVolumeMode string
	// DetachKeys are in the syntax of --detach-keys; nil where not set.
	DetachKeys *string
	// HelperBinariesDir are where helper programs such as pasta are looked for.
	HelperBinariesDir []string
	// ImageDefaultTransport is what stands before a name without a transport.
	ImageDefaultTransport string
	// Connections are those of containers.conf, ActiveService the name of the one
	// to use; see Source.AllConnections.
	Connections   []Connection
	ActiveService string
}

// Containers is the table [containers].
type Containers struct {
	Annotations map[string]string
	// AppArmorProfile and SeccompProfile are names or paths; the latter is read
	// when it is used.
	AppArmorProfile string
	SeccompProfile  string
	// BaseHostsFile is a path, image or none.
	BaseHostsFile string
	CgroupNS      string
	// Cgroups is in the syntax of --cgroups.
	Cgroups string
	// NameAsHostname gives a container its own name for a host name.
	NameAsHostname bool
	// HostIP is the address of host.containers.internal; empty for the usual one.
	HostIP string
	// DefaultCapabilities replace skiff's own default set; nil where not set.
	DefaultCapabilities []string
	Sysctls             map[string]string
	Ulimits             []state.Ulimit
	Devices             []state.Device
	DNSServers          []string
	DNSSearches         []string
	DNSOptions          []string
	Env                 []string
	EnvHost             bool
	Init                bool
	// InitPath is as Engine.InitPath, and comes first.
	InitPath  string
	IpcNS     string
	LogDriver string
	// LogSizeMax is in bytes; -1 is no limit, 0 not set.
	LogSizeMax int64
	LogTag     string
	Mounts     []state.Mount
	// NetNS is in the syntax of --network.
	NetNS       string
	OOMScoreAdj *int
	// PidsLimit is nil where not set; 0 and -1 are no limit.
	PidsLimit  *int64
	PidNS      string
	Privileged bool
	ReadOnly   bool
	ShmSize    int64
	UserNS     string
	UtsNS      string
	Volumes    []state.Mount
	// HTTPProxy passes the caller's proxy variables on.
	HTTPProxy  bool
	NoHosts    bool
	CgroupConf map[string]string
	// TZ is a time zone in the syntax of --tz, Umask nil where not set.
	TZ    string
	Umask *uint32
}

// Network is the table [network].
type Network struct {
	// FirewallDriver is nftables, iptables or none.
	FirewallDriver string
	// DefaultNetwork is a network's name.
	DefaultNetwork string
	// DefaultHostIPs are where ports are published that name no address.
	DefaultHostIPs []string
	// DefaultSubnet is the default network's, in the form 10.88.0.0/16.
	DefaultSubnet string
	// DefaultSubnetPools are where further networks' subnets come from.
	DefaultSubnetPools []SubnetPool
	// PastaOptions are given to every pasta.
	PastaOptions []string
}

// SubnetPool is a range of subnets of one size.
type SubnetPool struct {
	Base string
	Size int
}

// Syntax reads values that are written as on the command line. The package that
// knows how is above this one, so the caller brings it.
type Syntax struct {
	Size       func(string) (int64, error)
	Ulimit     func(string) (state.Ulimit, error)
	Device     func(string) (state.Device, error)
	Volume     func(string) (state.Mount, error)
	Mount      func(string) ([]state.Mount, error)
	Pairs      func(what string, words []string) (map[string]string, error)
	Env        func(string) ([]string, error)
	Capability func(string) ([]string, error)
	IP         func(string) (string, error)
}

// Source says where to look.
type Source struct {
	// Modules are the values of --module.
	Modules []string
	// Lookup finds a variable of the environment, as os.LookupEnv does.
	Lookup func(string) (string, bool)
	// UID is the calling user's: 0 looks into other places than the rest.
	UID int
	// NoVendor leaves the distribution's file out, which holds the defaults of its
	// Podman: called as docker, Docker's are wanted.
	NoVendor bool
	// Root is put before the fixed paths; empty but in tests.
	Root   string
	Syntax Syntax
}
