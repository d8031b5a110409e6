package state

import "time"

// SecretVersion is the version that this skiff writes into secrets/<name>.json.
const SecretVersion = 1

// MaxSecret bounds a secret in bytes, as Podman does.
const MaxSecret = 512000 - 1

// Secret is a value that commands and containers are not to show, stored as
// secrets/<name>.json with mode 0600.
type Secret struct {
	Version int               `json:"version"`
	ID      string            `json:"id"` // 25 lower-case hex digits
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	Data    []byte            `json:"data"`
}
