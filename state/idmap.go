package state

// IDMaps are the maps of a user namespace of the container's own. Outside are
// the ids of the namespace that skiff's monitors are in: the machine's for root,
// for an ordinary user the one with its subordinate ids (see runtime/rootless).
// OCI: linux.uidMappings, linux.gidMappings.
type IDMaps struct {
	UIDs []IDRange `json:"uids"`
	GIDs []IDRange `json:"gids"`
}

// IDRange maps Size ids from Inside on, as the container sees them, to those
// from Outside on. user_namespaces(7).
type IDRange struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Size    uint32 `json:"size"`
}

// ToOutside gives the id outside of one in the namespace.
func ToOutside(m []IDRange, id uint32) (uint32, bool) {
	for _, r := range m {
		if id >= r.Inside && id-r.Inside < r.Size {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

// OwnUserNS says whether the container's user namespace is not the one that
// skiff's monitors are in.
func (c *Config) OwnUserNS() bool { return c.IDMaps != nil || IsNamespacePath(c.Namespaces.User) }

// ModeNamespacePath begins a namespace that is given by its path. Podman: ns:.
const ModeNamespacePath = "ns:"

// IsNamespacePath says whether a namespace is given by its path.
func IsNamespacePath(mode string) bool {
	return len(mode) > len(ModeNamespacePath) && mode[:len(ModeNamespacePath)] == ModeNamespacePath
}
