// Package resolve completes a container's config: what the flags said, what the
// image says, what containers.conf says and what skiff does by default become
// one state.Config that nothing has to be added to.
//
// It is pure: everything it needs to know about the machine comes with Input.
// Not here: reading flags (cmd/parse), finding images, storing (state).
package resolve

import "skiff/state"

// Given says which flags the user set, where the value in state.Config cannot
// tell: an empty or zero value is something else than no value.
type Given struct {
	Entrypoint bool // also the empty one, which drops the image's
	Env        bool
	User       bool
	Workdir    bool
	Hostname   bool
	StopSignal bool
	ShmSize    bool
	PidsLimit  bool
	Cgroups    bool
	LogDriver  bool
	Init       bool
	ReadOnly   bool
	// ReadOnlyTmpfs is --read-only-tmpfs.
	ReadOnlyTmpfs bool
	// UnsetEnv are names to drop from the result. Podman: --unsetenv; UnsetEnvAll
	// is --unsetenv-all.
	UnsetEnv    []string
	UnsetEnvAll bool
	// EnvHost puts the caller's environment above the image's. Podman: --env-host.
	EnvHost []string

	// NoHealthcheck drops the image's. Docker: --no-healthcheck.
	NoHealthcheck bool
	// HealthCmd and the others say which parts of Config.Healthcheck were given;
	// the rest comes from the image.
	HealthCmd, HealthInterval, HealthTimeout, HealthStartPeriod, HealthStartInterval, HealthRetries bool

	// IP, IP6, MAC and Aliases are --ip, --ip6, --mac-address and
	// --network-alias: they belong to the first network.
	IP, IP6, MAC string
	Aliases      []string

	// Systemd is "true", "false" or "always"; empty means "true". Podman: --systemd.
	Systemd string
	// EnvMerge are variables with the image's in them. Podman: --env-merge.
	EnvMerge []string
	// HTTPProxy passes the caller's proxy variables on, which Environ gives; nil
	// means what containers.conf says. Podman: --http-proxy.
	HTTPProxy *bool
	Environ   func() []string
	// ImageVolume is anonymous, tmpfs or ignore. Podman: --image-volume.
	ImageVolume string
	// VolumesFrom are containers whose mounts are used too. Docker: --volumes-from.
	VolumesFrom []state.VolumesFrom
	// SeccompOfImage takes the profile from the image's label, if it has one.
	// Podman: --seccomp-policy image.
	SeccompOfImage bool
}
