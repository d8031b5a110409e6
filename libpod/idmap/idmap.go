// Package idmap decides which ids a container's own user namespace maps, from
// what the user asked for and what the user may map. It is pure: files, other
// containers and images come in through Host.
//
// Not here: making the namespace (runtime/rootless) and files with the right
// owners (rootfs/layer).
package idmap

import (
	"errors"
	"fmt"
	"strings"

	"skiff/state"
)

// Request is what the command line says beside --userns.
type Request struct {
	// UIDMap and GIDMap are [FLAGS]CONTAINER:FROM[:AMOUNT]. Podman: --uidmap, --gidmap.
	UIDMap, GIDMap []string
	// SubUID and SubGID are names in /etc/subuid and /etc/subgid. Podman:
	// --subuidname, --subgidname.
	SubUID, SubGID string
}

// Empty says whether nothing is asked for.
func (r Request) Empty() bool {
	return len(r.UIDMap) == 0 && len(r.GIDMap) == 0 && r.SubUID == "" && r.SubGID == ""
}

// Host is what has to be known about the machine and its user.
type Host struct {
	// Root says that the engine is root where it runs.
	Root bool
	// UID and GID are the calling user's.
	UID, GID uint32
	// UIDs and GIDs are the map of the namespace that the monitors are in: Inside
	// are the ids that may be mapped, Outside the machine's.
	UIDs, GIDs []state.IDRange
	// Subordinate gives the machine's ids that /etc/subuid and /etc/subgid give to
	// name, as Outside.
	Subordinate func(name string) (uids, gids []state.IDRange, err error)
	// Taken are the ids, as Outside, that other containers have.
	Taken func() (uids, gids []state.IDRange, err error)
	// Needs is how many ids from 0 on the image's files name.
	Needs func() uint32
}

// Plan is a user namespace to make.
type Plan struct {
	Maps *state.IDMaps
	// User is who the container runs as where neither the image nor the user is to
	// decide; empty where they are.
	User string
}

// autoUser is the name in /etc/subuid whose ids root's containers get, minimum
// the least size of their namespaces: both are Podman's.
const (
	autoUser = "containers"
	minimum  = 1024
)

// Make plans the namespace of a mode: "", private, auto, keep-id or nomap. A nil
// plan means that the container has none of its own.
func Make(mode string, req Request, h Host) (*Plan, error) {
	name, opts, _ := strings.Cut(mode, ":")
	if !req.Empty() {
		if mode != "" && mode != "private" {
			return nil, fmt.Errorf("cannot use --userns %s with --uidmap, --gidmap, --subuidname or --subgidname: they exclude each other", mode)
		}
		return finish("the ids that were asked for", func() (*Plan, error) { return explicit(req, h) }, h)
	}
	switch name {
	case "", "host":
		return nil, nil
	case "private":
		if h.Root {
			return nil, errors.New("cannot make a user namespace: must provide at least one UID or GID mapping (--uidmap, --subuidname, or --userns auto)")
		}
		return nil, nil
	case "auto":
		return finish("a range of ids", func() (*Plan, error) { return auto(opts, h) }, h)
	case "keep-id":
		return finish("the user's own id", func() (*Plan, error) { return keepID(opts, h) }, h)
	case "nomap":
		if h.Root {
			return nil, errors.New("nomap is only supported in rootless mode")
		}
		return finish("the user's subordinate ids", func() (*Plan, error) { return noMap(opts, h) }, h)
	}
	return nil, fmt.Errorf("unknown user namespace %q: want auto, container:NAME, host, keep-id, nomap, ns:PATH or private", mode)
}

// finish checks a plan.
func finish(what string, plan func() (*Plan, error), h Host) (*Plan, error) {
	p, err := plan()
	if err == nil {
		p.Maps.UIDs, err = check("user id", p.Maps.UIDs, h.UIDs)
	}
	if err == nil {
		p.Maps.GIDs, err = check("group id", p.Maps.GIDs, h.GIDs)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot map %s: %w", what, err)
	}
	return p, nil
}

// explicit is --uidmap and its like.
func explicit(req Request, h Host) (*Plan, error) {
	if req.SubUID != "" || req.SubGID != "" {
		if len(req.UIDMap)+len(req.GIDMap) > 0 {
			return nil, errors.New("--subuidname and --subgidname exclude --uidmap and --gidmap")
		}
		return named(req, h)
	}
	var uids, gids []entry
	for _, l := range []struct {
		specs []string
		own   []state.IDRange
		to    *[]entry
	}{{req.UIDMap, h.UIDs, &uids}, {req.GIDMap, h.GIDs, &gids}} {
		for _, s := range l.specs {
			e, err := parseEntry(s, l.own)
			if err != nil {
				return nil, err
			}
			*l.to = append(*l.to, e)
		}
	}
	if len(req.GIDMap) == 0 {
		gids = keep(uids, func(e entry) bool { return e.groups })
	} else if len(req.UIDMap) == 0 {
		uids = keep(gids, func(e entry) bool { return e.users })
	}
	uids = keep(uids, func(e entry) bool { return e.users })
	gids = keep(gids, func(e entry) bool { return e.groups })
	return &Plan{Maps: &state.IDMaps{UIDs: build(uids, h.UIDs, h.Root), GIDs: build(gids, h.GIDs, h.Root)}}, nil
}

func keep(in []entry, what func(entry) bool) (out []entry) {
	for _, e := range in {
		if what(e) {
			out = append(out, e)
		}
	}
	return out
}

// named maps all that /etc/subuid gives to a name, from 0 on. One name stands for
// both.
func named(req Request, h Host) (*Plan, error) {
	if req.SubUID == "" {
		req.SubUID = req.SubGID
	}
	if req.SubGID == "" {
		req.SubGID = req.SubUID
	}
	uids, _, err := h.Subordinate(req.SubUID)
	if err != nil {
		return nil, err
	}
	_, gids, err := h.Subordinate(req.SubGID)
	if err != nil {
		return nil, err
	}
	if len(uids) == 0 {
		return nil, fmt.Errorf("%q has no range in /etc/subuid", req.SubUID)
	}
	if len(gids) == 0 {
		return nil, fmt.Errorf("%q has no range in /etc/subgid", req.SubGID)
	}
	p := &Plan{Maps: &state.IDMaps{}}
	if p.Maps.UIDs, err = layOut(uids, h.UIDs); err != nil {
		return nil, err
	}
	p.Maps.GIDs, err = layOut(gids, h.GIDs)
	return p, err
}

// layOut maps the machine's ids one range after the other, from 0 on.
func layOut(ranges, own []state.IDRange) ([]state.IDRange, error) {
	var out []state.IDRange
	next := uint32(0)
	for _, r := range ranges {
		m, err := toInside(own, r.Outside, r.Size, next)
		if err != nil {
			return nil, err
		}
		out = append(out, m...)
		next += r.Size
	}
	return out, nil
}

// keepID maps the user to the same id, or to that of the options. Root keeps all
// ids, as in Podman.
func keepID(text string, h Host) (*Plan, error) {
	opts, err := options("keep-id", text, "uid", "gid", "size")
	if err != nil {
		return nil, err
	}
	if h.Root {
		if len(opts) > 0 {
			return nil, errors.New("the options of keep-id are for ordinary users")
		}
		return &Plan{Maps: &state.IDMaps{UIDs: identity(h.UIDs), GIDs: identity(h.GIDs)}, User: "0:0"}, nil
	}
	uid, err := number(opts, "uid", h.UID)
	if err != nil {
		return nil, err
	}
	gid, err := number(opts, "gid", h.GID)
	if err != nil {
		return nil, err
	}
	size, err := number(opts, "size", 0)
	if err != nil {
		return nil, err
	}
	p := &Plan{Maps: &state.IDMaps{
		UIDs: around(uid, limit(total(h.UIDs), size)), GIDs: around(gid, limit(total(h.GIDs), size)),
	}}
	p.User = fmt.Sprintf("%d:%d", uid, gid)
	return p, nil
}

func limit(n, most uint32) uint32 {
	if most > 0 {
		return min(n, most)
	}
	return n
}

// identity maps every id to itself.
func identity(own []state.IDRange) (out []state.IDRange) {
	for _, r := range own {
		out = append(out, state.IDRange{Inside: r.Inside, Outside: r.Inside, Size: r.Size})
	}
	return out
}

// total is how many ids an ordinary user's namespace has, from 0 on without gaps.
func total(own []state.IDRange) (n uint32) {
	for _, r := range own {
		n += r.Size
	}
	return n
}

// around maps id to 0, the user, and the other n-1 ids to those beside it.
func around(id, n uint32) []state.IDRange {
	below := min(id, n-1)
	out := []state.IDRange{{Inside: id, Outside: 0, Size: 1}}
	if below > 0 {
		out = append(out, state.IDRange{Inside: 0, Outside: 1, Size: below})
	}
	if above := n - 1 - below; above > 0 {
		out = append(out, state.IDRange{Inside: id + 1, Outside: below + 1, Size: above})
	}
	return out
}

// noMap maps all but the user's own id.
func noMap(text string, h Host) (*Plan, error) {
	switch {
	case text != "":
		return nil, errors.New("nomap takes no options")
	case total(h.UIDs) < 2 || total(h.GIDs) < 2:
		return nil, errors.New("the user has none (usermod --add-subuids, --add-subgids)")
	}
	return &Plan{Maps: &state.IDMaps{
		UIDs: []state.IDRange{{Inside: 0, Outside: 1, Size: total(h.UIDs) - 1}},
		GIDs: []state.IDRange{{Inside: 0, Outside: 1, Size: total(h.GIDs) - 1}},
	}}, nil
}
