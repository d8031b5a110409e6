package state

import "time"

// VolumeVersion is the version that this skiff writes into volume.json.
const VolumeVersion = 1

// Volume is stored as volumes/<name>/volume.json; its content is in
// volumes/<name>/_data.
type Volume struct {
	Version int               `json:"version"`
	Name    string            `json:"name"`
	Driver  string            `json:"driver"` // local
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Options are the local driver's: type, device, o.
	Options map[string]string `json:"options,omitempty"`
	// Anonymous marks a volume with a generated name.
	Anonymous bool `json:"anonymous,omitempty"`
	// Filled is set once the volume was filled from an image, or was found to
	// have content of its own; it is never filled again.
	Filled bool `json:"filled,omitempty"`
}
