package state

import (
	"strconv"
	"strings"
)

// MountIDMap says which ids a mount shows for those that the files have on disk.
// An empty list is that of the container's user namespace.
type MountIDMap struct {
	UIDs []MountIDRange `json:"uids,omitempty"`
	GIDs []MountIDRange `json:"gids,omitempty"`
}

// MountIDRange has Size ids from Disk on appear as those from Outside on. Relative
// takes Outside for an id in the container. Podman: idmap=uids=[@]DISK-OUTSIDE-SIZE.
type MountIDRange struct {
	Disk     uint32 `json:"disk"`
	Outside  uint32 `json:"outside"`
	Size     uint32 `json:"size"`
	Relative bool   `json:"relative,omitempty"`
}

// maxMountRanges is how many ranges the kernel takes. user_namespaces(7).
const maxMountRanges = 340

// ParseMountIDMap reads uids=TRIPLET[#TRIPLET…];gids=TRIPLET[#TRIPLET…].
func ParseMountIDMap(text string) (*MountIDMap, error) {
	m := &MountIDMap{}
	for _, part := range strings.Split(text, ";") {
		kind, list, _ := strings.Cut(part, "=")
		dst := &m.UIDs
		switch kind {
		case "uids":
		case "gids":
			dst = &m.GIDs
		default:
			return nil, Errorf(ErrInvalid, "invalid idmap %q: want uids=DISK-HOST-SIZE[#…] and gids=DISK-HOST-SIZE[#…] with a semicolon between", text)
		}
		if *dst != nil {
			return nil, Errorf(ErrInvalid, "invalid idmap %q: %s comes twice", text, kind)
		}
		for _, triplet := range strings.Split(list, "#") {
			r, ok := mountIDRange(triplet)
			if !ok || len(*dst) == maxMountRanges {
				return nil, Errorf(ErrInvalid, "invalid idmap range %q: want DISK-HOST-SIZE, such as 0-1000-10", triplet)
			}
			*dst = append(*dst, r)
		}
	}
	return m, nil
}

func mountIDRange(triplet string) (r MountIDRange, ok bool) {
	triplet, r.Relative = strings.CutPrefix(triplet, "@")
	words := strings.Split(triplet, "-")
	if len(words) != 3 {
		return r, false
	}
	for i, dst := range []*uint32{&r.Disk, &r.Outside, &r.Size} {
		n, err := strconv.ParseUint(words[i], 10, 32)
		if err != nil {
			return r, false
		}
		*dst = uint32(n)
	}
	const last = 1<<32 - 2 // (uid_t)-1 is no id
	end := func(from uint32) uint64 { return uint64(from) + uint64(r.Size) - 1 }
	return r, r.Size > 0 && end(r.Disk) <= last && end(r.Outside) <= last
}

// Over gives the maps of a mount in a container with the maps c. It fails where a
// relative range is not the container's.
func (m *MountIDMap) Over(c IDMaps) (IDMaps, error) {
	uids, err := overMap(m.UIDs, c.UIDs)
	if err != nil {
		return IDMaps{}, err
	}
	gids, err := overMap(m.GIDs, c.GIDs)
	return IDMaps{UIDs: uids, GIDs: gids}, err
}

func overMap(ranges []MountIDRange, c []IDRange) ([]IDRange, error) {
	if len(ranges) == 0 {
		return c, nil
	}
	out := make([]IDRange, 0, len(ranges))
	for _, r := range ranges {
		first := r.Outside
		if r.Relative {
			var ok, whole bool
			first, ok = ToOutside(c, r.Outside)
			last, there := ToOutside(c, r.Outside+r.Size-1)
			if whole = there && last-first == r.Size-1; !ok || !whole {
				return nil, Errorf(ErrInvalid, "the range @%d-%d-%d of the option idmap is not one of the container's user namespace", r.Disk, r.Outside, r.Size)
			}
		}
		out = append(out, IDRange{Inside: r.Disk, Outside: first, Size: r.Size})
	}
	return out, nil
}
