package state

import "time"

// StatusVersion is the version that this skiff writes into status.json.
const StatusVersion = 1

// Phase is where a container is in its life.
type Phase string

// The phases, in Docker's words.
const (
	// Created: it has a config and has never run, or its start failed.
	Created Phase = "created"
	// Initialized: all is there but its program, which waits for a start. Podman:
	// container init.
	Initialized Phase = "initialized"
	// Running: its first process runs.
	Running Phase = "running"
	// Paused: its cgroup is frozen.
	Paused Phase = "paused"
	// Restarting: it ended and its monitor waits to start it again.
	Restarting Phase = "restarting"
	// Exited: it ran and ended.
	Exited Phase = "exited"
	// Removing: it is being taken away; only lists find it.
	Removing Phase = "removing"
	// Dead: a part of it could not be removed. It can only be removed.
	Dead Phase = "dead"
)

// Status is what is true of a container now. The monitor writes it as
// status.json below the run root while it lives, and as exit.json below the
// data root when the container has ended.
type Status struct {
	Version int `json:"version"`
	// BootID is /proc/sys/kernel/random/boot_id of the kernel this was true
	// under. Another id means that nothing of it runs any more.
	BootID string `json:"bootId"`
	Phase  Phase  `json:"phase"`

	// Pid is the first process, in the monitor's pid namespace, and PidStart its
	// start time in clock ticks after boot (proc(5), stat field 22). The two
	// together name a process; neither alone does.
	Pid      int    `json:"pid,omitempty"`
	PidStart uint64 `json:"pidStart,omitempty"`
	// Monitor is the supervisor's process id, for people to look at.
	Monitor int `json:"monitor,omitempty"`

	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// ExitCode is the first process's status, or 128 plus the number of the
	// signal that ended it; -1 where it ran for too long (Podman: --timeout).
	ExitCode  int  `json:"exitCode"`
	OOMKilled bool `json:"oomKilled,omitempty"`
	// Usage is what a build's step has used; other containers' is not kept.
	Usage Usage `json:"usage,omitzero"`
	// StoppedByUser says that it ended because the user wanted that: stop, or kill
	// with a signal that ends it.
	StoppedByUser bool `json:"stoppedByUser,omitempty"`
	// Stopping says that it runs and was told to end, by a stop that waits for that.
	Stopping bool `json:"stopping,omitempty"`
	// Error is why the last start failed or the end was not orderly.
	Error string `json:"error,omitempty"`
	// Interrupted says that the end was not the container's own nor the user's
	// wish: the machine went down, or the service that it ran in.
	Interrupted bool `json:"interrupted,omitempty"`
	// RestartCount counts restarts by the policy since the user's last start.
	RestartCount int `json:"restartCount,omitempty"`

	Network NetworkStatus `json:"network,omitzero"`
	// Teardown is what has to be undone when the container ends.
	Teardown Teardown `json:"teardown,omitzero"`
}

// Usage is what a process and those that it waited for have used, see getrusage(2).
type Usage struct {
	User   time.Duration `json:"user,omitempty"`
	System time.Duration `json:"system,omitempty"`
	// Input and Output are what file systems had to read and write, in bytes.
	Input  int64 `json:"input,omitempty"`
	Output int64 `json:"output,omitempty"`
}

// UsageOf is made of the kernel's numbers: nanoseconds, and blocks of 512 bytes.
func UsageOf(user, system, inBlocks, outBlocks int64) Usage {
	return Usage{time.Duration(user), time.Duration(system), inBlocks << 9, outBlocks << 9}
}

// Since is what was used since earlier.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{u.User - earlier.User, u.System - earlier.System, u.Input - earlier.Input, u.Output - earlier.Output}
}

// Teardown is the reverse of a start, recorded as data when each step was
// done, so that any later process can undo it without knowing how it was made.
type Teardown struct {
	// Cgroups are absolute directories. Whatever still runs in them is killed
	// and they are removed, those below them first.
	Cgroups []string `json:"cgroups,omitempty"`
	// Netlink are whole batches to send to the kernel's nfnetlink, each one
	// transaction (base64 in JSON).
	Netlink [][]byte `json:"netlink,omitempty"`
	// Files and directories of skiff's own to remove: address leases, files
	// below the run root. Directories go with all that is in them.
	Files []string `json:"files,omitempty"`
	// Dirs are directories of skiff's own to remove after the files if nothing is left
	// in them: others have something there, too.
	Dirs []string `json:"dirs,omitempty"`
	// Engine asks for `skiff` itself to take the network down, for what cannot be
	// said as data (iptables rules).
	Engine bool `json:"engine,omitempty"`
	// Hooks are programs of the host that run when all else is undone; with Engine
	// only. OCI: hooks.poststop.
	Hooks []Hook `json:"hooks,omitempty"`
}

// Hook is a program of the host that takes part in a container's life.
type Hook struct {
	// Path is absolute. Args has the program's own name first; without any that is
	// Path. Env is all of its environment.
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	// Timeout is in seconds; 0 means skiff's own bound.
	Timeout int `json:"timeout,omitempty"`
}

// What the user wants of a container, see Desired.
const (
	DesiredRunning = "running"
	DesiredStopped = "stopped"
)

// Desired is stored as desired.json beside config.json for a container with a
// restart policy: a container that the user stopped stays stopped over a boot,
// one that a shutdown stopped does not.
type Desired struct {
	Version int    `json:"version"`
	State   string `json:"state"` // DesiredRunning or DesiredStopped
}
