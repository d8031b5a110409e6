package place

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"skiff/rootfs/safepath"
)

// maxAccounts bounds how much of /etc/passwd and /etc/group is read, in bytes.
const maxAccounts = 4 << 20

type owner struct{ uid, gid int }

// unknown says that an image does not have an account.
type unknown string

func (u unknown) Error() string { return string(u) }

// findOwner looks up what --chown says, "user[:group]". A user without a group
// has that of /etc/passwd, a number the group of the same number. nil is for an
// empty one.
func findOwner(root *safepath.Root, who string) (*owner, error) {
	if who == "" {
		return nil, nil
	}
	name, group, hasGroup := strings.Cut(who, ":")
	o := owner{}
	if id, ok := number(name); ok {
		o = owner{id, id}
	} else if name != "" {
		u, err := findUser(root, name)
		if err != nil {
			return nil, err
		}
		o = owner{u.Uid, u.Gid}
	}
	if id, ok := number(group); ok {
		o.gid = id
	} else if group != "" {
		g, err := findGroup(root, group)
		if err != nil {
			return nil, err
		}
		o.gid = g.Gid
	} else if hasGroup {
		return nil, fmt.Errorf("invalid --chown %q: there is no group after the colon", who)
	}
	return &o, nil
}

// number reads an id. "root" is 0, whatever the image says.
func number(s string) (int, bool) {
	if s == "root" {
		return 0, true
	}
	id, err := strconv.ParseInt(s, 10, 32)
	return int(id), err == nil && id >= 0
}

func findUser(root *safepath.Root, name string) (user.User, error) {
	file, err := accounts(root, "/etc/passwd")
	if err != nil {
		return user.User{}, err
	}
	found, err := user.ParsePasswdFilter(bytes.NewReader(file), func(u user.User) bool { return u.Name == name })
	if err == nil && len(found) == 0 {
		err = unknown(fmt.Sprintf("cannot find the user %q of --chown: the image's /etc/passwd does not have it", name))
	}
	if err != nil {
		return user.User{}, err
	}
	return found[0], nil
}

func findGroup(root *safepath.Root, name string) (user.Group, error) {
	file, err := accounts(root, "/etc/group")
	if err != nil {
		return user.Group{}, err
	}
	found, err := user.ParseGroupFilter(bytes.NewReader(file), func(g user.Group) bool { return g.Name == name })
	if err == nil && len(found) == 0 {
		err = unknown(fmt.Sprintf("cannot find the group %q of --chown: the image's /etc/group does not have it", name))
	}
	if err != nil {
		return user.Group{}, err
	}
	return found[0], nil
}

func accounts(root *safepath.Root, name string) ([]byte, error) {
	b, err := root.ReadFile(name, maxAccounts)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	return b, err
}
