package state

import "time"

// NetworkVersion is the version that this skiff writes into networks/<name>.json.
const NetworkVersion = 1

// NetworkRecord is stored as networks/<name>.json: a network of the user's, or
// the default one with the addresses that were chosen for it.
type NetworkRecord struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	ID      string    `json:"id"`     // 64 lower-case hex digits
	Driver  string    `json:"driver"` // bridge
	Created time.Time `json:"created"`
	// Bridge is the bridge device's name.
	Bridge string `json:"bridge"`
	// Subnet and Gateway are IPv4, such as 10.87.0.0/16 and 10.87.0.1.
	Subnet  string `json:"subnet"`
	Gateway string `json:"gateway"`
	// Subnet6 and Gateway6 are used where the host has IPv6.
	Subnet6  string            `json:"subnet6,omitempty"`
	Gateway6 string            `json:"gateway6,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
}
