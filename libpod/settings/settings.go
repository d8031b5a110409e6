// Package settings reads containers.conf, the file that Podman, Buildah and
// others share, as far as its keys concern skiff. A machine without such a file
// pays for a few failed opens only.
package settings

// Settings are the values that were set; a zero value or nil means that no file
// set the key and skiff's own default holds.
type Settings struct {
	Engine     Engine
	Containers Containers
	Network    Network
	// Files are the files that were read, in the order in which later ones
	// override earlier ones.
	Files []string
	// Warnings are one line each: unknown keys.
	Warnings []string
}

// Engine is the table [engine].
type Engine struct{}

// Containers is the table [containers].
type Containers struct{}

// Network is the table [network].
type Network struct{}

// Options say where to look.
type Options struct {
	Modules []string
	Environ func(string) (string, bool)
	UID     int
}

// Load reads the files.
func Load(Options) (Settings, error) { return Settings{}, nil }
