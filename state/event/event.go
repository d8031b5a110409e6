// Package event is the log of what happened to containers, images, volumes and
// networks: a file to which whoever does the thing appends one line, without a
// lock and without a sync.
//
// A line is JSON with the fields of Podman's own log file, so that what reads
// the one reads the other. Readers, filters and output are libpod/events'. The
// monitor links this package: standard library and x/sys only.
package event

import "time"

// Types of what an event is about.
const (
	Builder   = "builder"
	Container = "container"
	Image     = "image"
	Network   = "network"
	Secret    = "secret"
	System    = "system"
	Volume    = "volume"
)

// What happened, in Podman's words; libpod/events knows Docker's.
const (
	Attach             = "attach"
	Commit             = "commit"
	Connect            = "connect"
	Copy               = "copy"
	Create             = "create"
	Died               = "died"
	Disconnect         = "disconnect"
	Exec               = "exec"
	ExecDied           = "exec_died"
	Export             = "export"
	HealthStatus       = "health_status"
	Import             = "import"
	Init               = "init"
	Kill               = "kill"
	Load               = "loadfromarchive"
	Mount              = "mount"
	OOM                = "oom"
	Pause              = "pause"
	Prune              = "prune"
	Pull               = "pull"
	PullError          = "pull-error"
	Push               = "push"
	Remove             = "remove"
	Rename             = "rename"
	Restart            = "restart"
	Rotate             = "log-rotation"
	Save               = "save"
	Start              = "start"
	Stop               = "stop"
	Tag                = "tag"
	Unmount            = "unmount"
	Unpause            = "unpause"
	Untag              = "untag"
	Update             = "update"
	AttributeRotate    = "io.podman.event.rotate" // of Rotate: begin or end
	attributeBegin     = "begin"
	AttributeRotateEnd = "end"
)

// Event is one line of the log. The order and the names of its fields are those
// of Podman's log file.
type Event struct {
	// ContainerExitCode is set when a container or an exec session ended.
	ContainerExitCode *int `json:",omitempty"`
	// OOMKilled is set when a container ended.
	OOMKilled *bool `json:",omitempty"`
	// ID is that of the container or image; of a network event the container's,
	// but for its creation and removal.
	ID    string `json:",omitempty"`
	Image string `json:",omitempty"`
	Name  string `json:",omitempty"`
	// Network is the name of the network of a network event.
	Network string `json:"network,omitempty"`
	// Status is what happened.
	Status string
	Time   time.Time
	Type   string
	// HealthStatus is starting, healthy or unhealthy. HealthLog is the output of
	// the check, HealthFailingStreak how many failed in a row.
	HealthStatus        string `json:"health_status,omitempty"`
	HealthLog           string `json:",omitempty"`
	HealthFailingStreak int    `json:",omitempty"`
	Error               string `json:",omitempty"`
	// ContainerInspectData is the document of inspect, of a creation where the
	// user wants it. containers.conf: events_container_create_inspect_data.
	ContainerInspectData string `json:",omitempty"`
	// Networks are the networks that a container joins at its start, and left at
	// its end: Docker has events of their own for that.
	Networks []string `json:"networks,omitempty"`
	// Attributes are a container's labels, the driver of a network, and what else
	// there is to say.
	Attributes map[string]string
}
