package libpod

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"skiff/libpod/idmap"
	"skiff/rootfs/safepath"
	"skiff/runtime/rootless"
	"skiff/state"
	"skiff/state/lock"
)

// mapIDs decides which ids a new container's user namespace maps. While the lock
// is held nobody else is given the same ones; it is nil where none are.
func (e *Engine) mapIDs(cfg *state.Config, req CreateRequest, img *state.Image) (_ *lock.Lock, err error) {
	if !req.IDMap.Empty() && req.Config.Namespaces.User == "" {
		cfg.Namespaces.User = "private" // whatever containers.conf says
	}
	mode := cfg.Namespaces.User
	if err := idmapNeeds(cfg, mode, req.IDMap.Empty()); err != nil {
		return nil, err
	}
	if req.IDMap.Empty() && (mode == "" || mode == "host" || state.IsNamespacePath(mode)) {
		return nil, nil
	}
	if id, ok := strings.CutPrefix(mode, state.ModeContainer); ok && req.IDMap.Empty() {
		other, err := e.Store.Load(id)
		if err != nil {
			return nil, err
		}
		if cfg.IDMaps = other.IDMaps; other.IDMaps == nil && other.OwnUserNS() {
			cfg.Namespaces.User = other.Namespaces.User
		}
		return nil, nil
	}
	host, err := e.idHost(cfg, img)
	if err != nil {
		return nil, err
	}
	var held *lock.Lock
	if strings.HasPrefix(mode, "auto") {
		if held, err = lock.Take(e.Roots.UserNamespacesLock()); err != nil {
			return nil, err
		}
	}
	plan, err := idmap.Make(mode, req.IDMap, host)
	if err != nil {
		held.Release()
		return nil, err
	}
	if plan == nil {
		return held, nil
	}
	cfg.IDMaps = plan.Maps
	if plan.User != "" && req.Config.Process.User == "" {
		cfg.Process.User = plan.User
	}
	return held, nil
}

// idHost is what a plan depends on.
func (e *Engine) idHost(cfg *state.Config, img *state.Image) (idmap.Host, error) {
	h := idmap.Host{
		Root: !e.Rootless(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Subordinate: func(name string) ([]state.IDRange, []state.IDRange, error) {
			uids, gids, err := rootless.Subordinate(name)
			return stateRanges(uids), stateRanges(gids), err
		},
		Taken: e.takenIDs,
		Needs: func() uint32 { return e.neededIDs(cfg, img) },
	}
	if h.Root {
		h.UIDs, h.GIDs = readIDMap("/proc/self/uid_map"), readIDMap("/proc/self/gid_map")
		return h, nil
	}
	m, err := rootless.MappingOf(os.Getuid(), os.Getgid())
	h.UIDs, h.GIDs = stateRanges(m.UIDs), stateRanges(m.GIDs)
	return h, err
}

func stateRanges(in []rootless.Range) (out []state.IDRange) {
	for _, r := range in {
		out = append(out, state.IDRange(r))
	}
	return out
}

// readIDMap reads a map of this process's namespace, see user_namespaces(7).
func readIDMap(path string) (out []state.IDRange) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var r state.IDRange
		if n, _ := fmt.Sscan(s.Text(), &r.Inside, &r.Outside, &r.Size); n == 3 {
			out = append(out, r)
		}
	}
	return out
}

// takenIDs are those of the containers that have some of their own. One that
// uses all of the user's does not count: nobody could have any beside it.
func (e *Engine) takenIDs() (uids, gids []state.IDRange, err error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		cfg, err := e.Store.Load(id)
		if err != nil || cfg.IDMaps == nil {
			continue // removed meanwhile
		}
		if mode := cfg.Namespaces.User; strings.HasPrefix(mode, "keep-id") || strings.HasPrefix(mode, "nomap") {
			continue
		}
		uids, gids = append(uids, cfg.IDMaps.UIDs...), append(gids, cfg.IDMaps.GIDs...)
	}
	return uids, gids, nil
}

// maxAccounts bounds how much of a passwd or group file is read, in bytes.
const maxAccounts = 4 << 20

// neededIDs is one more than the highest id that the image's accounts and the
// container's user have.
func (e *Engine) neededIDs(cfg *state.Config, img *state.Image) uint32 {
	var most uint32
	look := func(text string) {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && n < unmapped {
			most = max(most, uint32(n)+1)
		}
	}
	for _, part := range strings.Split(cfg.Process.User, ":") {
		look(part)
	}
	if img == nil {
		return most
	}
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		for line := range strings.Lines(topmost(img.Layers, file)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) > 2 {
				look(f[2])
			}
			if len(f) > 3 {
				look(f[3]) // passwd: the main group
			}
		}
	}
	return most
}

// unmapped is where the accounts begin that stand for nobody in particular, such
// as nobody (65534): files are seldom theirs.
const unmapped = 65534

// topmost reads a file of the highest layer that has it.
func topmost(layers []string, file string) string {
	for i := len(layers) - 1; i >= 0; i-- {
		root, err := safepath.OpenRoot(layers[i])
		if err != nil {
			continue
		}
		data, err := root.ReadFile(file, maxAccounts)
		root.Close()
		if err == nil {
			return string(data)
		}
	}
	return ""
}

// idmapNeeds refuses maps of a mount for a container without a user namespace.
func idmapNeeds(cfg *state.Config, mode string, unmapped bool) error {
	if !unmapped || mode != "" && mode != "host" {
		return nil
	}
	for _, m := range cfg.Mounts {
		if m.IDMap != nil {
			return state.Errorf(state.ErrInvalid, "cannot mount %q on %q with maps of its own: the container has no user namespace (--userns, --uidmap)", m.Source, m.Target)
		}
	}
	return nil
}
