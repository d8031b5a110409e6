package idmap

import (
	"errors"
	"fmt"

	"skiff/state"
)

// auto maps ids that no other container has. Podman: --userns auto.
func auto(text string, h Host) (*Plan, error) {
	opts, err := options("auto", text, "size", "uidmapping", "gidmapping")
	if err != nil {
		return nil, err
	}
	size, err := number(opts, "size", 0)
	if err != nil {
		return nil, err
	}
	uids, gids, err := pools(h)
	if err != nil {
		return nil, err
	}
	moreUIDs, err := triples(opts["uidmapping"], h.UIDs)
	if err != nil {
		return nil, err
	}
	moreGIDs, err := triples(opts["gidmapping"], h.GIDs)
	if err != nil {
		return nil, err
	}
	takenUIDs, takenGIDs, err := h.Taken()
	if err != nil {
		return nil, err
	}
	if size == 0 {
		size = max(minimum, h.Needs())
	}
	p := &Plan{Maps: &state.IDMaps{}}
	if p.Maps.UIDs, err = allocate("user ids", uids, append(takenUIDs, moreUIDs...), size); err != nil {
		return nil, err
	}
	if p.Maps.GIDs, err = allocate("group ids", gids, append(takenGIDs, moreGIDs...), size); err != nil {
		return nil, err
	}
	for _, r := range moreUIDs {
		p.Maps.UIDs = insert(p.Maps.UIDs, r)
	}
	for _, r := range moreGIDs {
		p.Maps.GIDs = insert(p.Maps.GIDs, r)
	}
	return p, nil
}

func triples(specs []string, own []state.IDRange) (out []state.IDRange, err error) {
	for _, s := range specs {
		r, err := parseTriple(s, own)
		if err != nil {
			return nil, fmt.Errorf("invalid mapping %q: %w", s, err)
		}
		out = append(out, r...)
	}
	return out, nil
}

// pools are the ids, as Outside, that may be given to containers: an ordinary
// user's subordinate ones, or those of the user that stands for root's.
func pools(h Host) (uids, gids []state.IDRange, err error) {
	if !h.Root {
		self := []state.IDRange{{Outside: 0, Size: 1}}
		uids, gids = without(insides(h.UIDs), self), without(insides(h.GIDs), self)
		if len(uids) == 0 || len(gids) == 0 {
			return nil, nil, errors.New("the user has no subordinate ids (usermod --add-subuids, --add-subgids)")
		}
		return uids, gids, nil
	}
	uids, gids, err = h.Subordinate(autoUser)
	if err != nil {
		return nil, nil, err
	}
	if len(uids) == 0 || len(gids) == 0 {
		return nil, nil, fmt.Errorf("the name %q has no range in /etc/subuid and /etc/subgid, such as %s:2147483648:1073741824", autoUser, autoUser)
	}
	return uids, gids, nil
}

// allocate takes the first size ids of the pool that nobody has, in one piece.
func allocate(kind string, pool, taken []state.IDRange, size uint32) ([]state.IDRange, error) {
	most := uint32(0)
	for _, r := range without(pool, taken) {
		if r.Size >= size {
			return []state.IDRange{{Inside: 0, Outside: r.Outside, Size: size}}, nil
		}
		most = max(most, r.Size)
	}
	return nil, fmt.Errorf("not enough unused %s: %d are wanted in one piece, %d are left", kind, size, most)
}
