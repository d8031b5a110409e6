package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Connection is a Podman on another machine, or in a socket, that the user has
// given a name (podman-system-connection(1)). skiff uses none.
type Connection struct {
	Name string `json:"Name"`
	// URI is where it listens, such as ssh://user@host/run/podman/podman.sock.
	URI string `json:"URI"`
	// Identity is the path of an ssh key.
	Identity string `json:"Identity"`
	// Default is what Podman connects to without being told.
	Default bool `json:"Default"`
	// ReadWrite means that it is in the file that commands change, not in
	// containers.conf.
	ReadWrite bool `json:"ReadWrite"`
}

// setDestinations is [engine.service_destinations] of containers.conf(5).
func (e *Engine) setDestinations(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("want a table of destinations")
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		keys, ok := table[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: want a table with uri and identity", name)
		}
		c := Connection{Name: name}
		for key, dst := range map[string]*string{"uri": &c.URI, "identity": &c.Identity} {
			if keys[key] == nil {
				continue
			}
			if err := text(dst)(keys[key]); err != nil {
				return fmt.Errorf("%s.%s: %w", name, key, err)
			}
		}
		e.connection(c)
	}
	return nil
}

// connection notes c, instead of one of the same name.
func (e *Engine) connection(c Connection) {
	e.Connections = slices.DeleteFunc(e.Connections, func(o Connection) bool { return o.Name == c.Name })
	e.Connections = append(e.Connections, c)
}

// connectionsFile is what `podman system connection add` writes.
type connectionsFile struct {
	Connection struct {
		Default     string
		Connections map[string]struct{ URI, Identity string }
	}
}

// AllConnections lists by name those of containers.conf, which s is, and those of
// podman-connections.json, which go before them.
func (src Source) AllConnections(s Settings) ([]Connection, error) {
	e := Engine{Connections: slices.Clone(s.Engine.Connections), ActiveService: s.Engine.ActiveService}
	path, given := src.Lookup("PODMAN_CONNECTIONS_CONF")
	if home := src.configHome(); !given && home != "" {
		path = filepath.Join(home, "containers", "podman-connections.json")
	}
	data, err := readBounded(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the connections: %w", err)
	}
	var f connectionsFile
	if len(data) > 0 {
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("cannot read the connections in %s: %w", path, err)
		}
	}
	for name, c := range f.Connection.Connections {
		e.connection(Connection{Name: name, URI: c.URI, Identity: c.Identity, ReadWrite: true})
	}
	if f.Connection.Default != "" {
		e.ActiveService = f.Connection.Default
	}
	for i := range e.Connections {
		e.Connections[i].Default = e.Connections[i].Name == e.ActiveService
	}
	slices.SortFunc(e.Connections, func(a, b Connection) int { return strings.Compare(a.Name, b.Name) })
	return e.Connections, nil
}
