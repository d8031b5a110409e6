// Package format turns rows and documents into text: aligned tables, Go
// templates, JSON and YAML, sizes and ages, as people know them from docker and
// podman.
//
// Not here: what the rows hold (libpod/inspect) and which columns a command has
// (cmd).
package format

// Style is whose display is asked for: Podman's under the name skiff, Docker's
// through a link named docker.
type Style int

// The styles.
const (
	Podman Style = iota
	Docker
)
