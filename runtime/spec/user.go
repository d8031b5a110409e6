package spec

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/moby/sys/user"

	"skiff/state"
)

// User is who a process runs as, in numbers.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"` // supplementary groups
	Home   string   `json:"home,omitempty"`
}

// ResolveUser finds out who who ("user[:group]", names or numbers, empty for
// root) and the further groups are, in the container's own passwd(5) and
// group(5). A nil reader stands for a missing file. group is read up to twice.
func ResolveUser(passwd, group io.ReadSeeker, who string, extra []string) (User, error) {
	var pr, gr io.Reader
	if passwd != nil {
		pr = passwd
	}
	if group != nil {
		gr = group
	}
	e, err := user.GetExecUser(who, &user.ExecUser{Home: "/"}, pr, gr)
	if err != nil {
		return User{}, fmt.Errorf("cannot run as user %q: %w", who, why(err))
	}
	if group != nil {
		if _, err := group.Seek(0, io.SeekStart); err != nil {
			return User{}, fmt.Errorf("cannot read the container's groups: %v", err)
		}
	}
	out := User{UID: uint32(e.Uid), GID: uint32(e.Gid), Home: e.Home}
	for _, g := range e.Sgids {
		out.Groups = append(out.Groups, uint32(g))
	}
	if len(extra) > 0 {
		more, err := user.GetAdditionalGroups(extra, gr)
		if err != nil {
			return User{}, fmt.Errorf("cannot add the groups %q: %w", extra, why(err))
		}
		for _, g := range more {
			out.Groups = append(out.Groups, uint32(g))
		}
	}
	// The main group is one of the further ones too, as with runc's other users: a
	// set-group-id program that drops its group would else gain by that what
	// negative group permissions deny (CVE-2022-36109).
	if who != "" {
		out.Groups = append(out.Groups, out.GID)
	}
	slices.Sort(out.Groups)
	out.Groups = slices.Compact(out.Groups)
	return out, nil
}

// ErrUnmapped means that a user or group does not exist in the user namespace.
var ErrUnmapped = errors.New("this user has no subordinate ids that reach so far (usermod --add-subuids, --add-subgids)")

// Mapped leaves out the further groups that do not exist in the user namespace,
// in which uids users and gids groups from 0 on are mapped. A user or a main
// group that does not exist there is an error, ErrUnmapped.
func (u User) Mapped(uids, gids uint32) (User, error) {
	switch {
	case u.UID >= uids:
		return u, fmt.Errorf("cannot run as user %d: %w", u.UID, ErrUnmapped)
	case u.GID >= gids:
		return u, fmt.Errorf("cannot run as group %d: %w", u.GID, ErrUnmapped)
	}
	u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(g uint32) bool { return g >= gids })
	return u, nil
}

// In is Mapped for a user namespace with other maps.
func (u User) In(m state.IDMaps) (User, error) {
	if _, ok := state.ToOutside(m.UIDs, u.UID); !ok {
		return u, fmt.Errorf("cannot run as user %d: the container's user namespace has no such user", u.UID)
	}
	if _, ok := state.ToOutside(m.GIDs, u.GID); !ok {
		return u, fmt.Errorf("cannot run as group %d: the container's user namespace has no such group", u.GID)
	}
	u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(g uint32) bool {
		_, ok := state.ToOutside(m.GIDs, g)
		return !ok
	})
	return u, nil
}

// why leaves out what the message says already: whom was looked for.
func why(err error) error {
	for _, missing := range []error{user.ErrNoPasswdEntries, user.ErrNoGroupEntries} {
		if errors.Is(err, missing) {
			return missing
		}
	}
	return err
}
