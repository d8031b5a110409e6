// Package rootless lets an ordinary user be root in a user namespace: it finds
// the user's subordinate ids and starts programs in a fresh namespace that has
// all of them mapped.
//
// Not here: what runs in the namespace, and the container's own user namespace
// (runtime/spec).
package rootless

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Range maps Size ids from Inside on, as seen in the namespace, to those from
// Outside on.
type Range struct{ Inside, Outside, Size uint32 }

// Mapping is what a user may map: 0 is the user, 1 and up are the subordinate
// ids. user_namespaces(7), subuid(5).
type Mapping struct{ UIDs, GIDs []Range }

// Single reports that only the user's own ids are mapped: files of other
// owners, and so most images, cannot be unpacked as they are.
func (m Mapping) Single() bool { return len(m.UIDs) < 2 || len(m.GIDs) < 2 }

const (
	subUIDFile = "/etc/subuid"
	subGIDFile = "/etc/subgid"
	// maxRanges is how many lines the kernel takes in a map.
	maxRanges = 340
)

// MappingOf gives the mapping of a user. Without subordinate ids, of users or
// of groups, it is Single.
func MappingOf(uid, gid int) (Mapping, error) {
	name := userName(uid)
	uids, err := readRanges(subUIDFile, name, uid)
	if err != nil {
		return Mapping{}, err
	}
	gids, err := readRanges(subGIDFile, name, uid) // by user too: subgid(5)
	if err != nil {
		return Mapping{}, err
	}
	if len(uids) == 0 || len(gids) == 0 {
		uids, gids = nil, nil
	}
	return Mapping{UIDs: layOut(uid, uids), GIDs: layOut(gid, gids)}, nil
}

// userName is the user's name, or what the environment says where the user is
// in no local file. newuidmap looks for itself, so a wrong name only fails.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// layOut puts the own id first and the ranges after it, without gaps.
func layOut(own int, ranges []Range) []Range {
	out := []Range{{Inside: 0, Outside: uint32(own), Size: 1}}
	next := uint32(1)
	for _, r := range ranges {
		if len(out) == maxRanges || next+r.Size < next {
			break
		}
		r.Inside = next
		next += r.Size
		out = append(out, r)
	}
	return out
}

func readRanges(path, name string, uid int) ([]Range, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the subordinate ids: %w", err)
	}
	defer f.Close()
	return parseRanges(f, name, uid)
}

// parseRanges reads the lines owner:first:count of the owner, who is given by
// name or number. Lines that make no sense are left out, as newuidmap does; so
// are ranges that overlap an earlier one or hold the user itself, because the
// kernel refuses the whole map for them.
func parseRanges(r io.Reader, name string, uid int) ([]Range, error) {
	var out []Range
	own := Range{Outside: uint32(uid), Size: 1}
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Split(strings.TrimSpace(s.Text()), ":")
		if len(f) != 3 || f[0] == "" || f[0] != name && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 != nil || err2 != nil || size == 0 || first+size > 1<<32-1 {
			continue
		}
		next := Range{Outside: uint32(first), Size: uint32(size)}
		clash := next.overlaps(own)
		for _, o := range out {
			clash = clash || next.overlaps(o)
		}
		if !clash {
			out = append(out, next)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the subordinate ids: %w", err)
	}
	return out, nil
}

func (r Range) overlaps(o Range) bool {
	return uint64(r.Outside) < uint64(o.Outside)+uint64(o.Size) && uint64(o.Outside) < uint64(r.Outside)+uint64(r.Size)
}
