// Package account finds out who a user of a container is, in the container's
// own passwd and group files, which are as hostile as the rest of an image.
//
// Not here: what passwd(5) lines mean (runtime/spec).
package account

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/moby/sys/user"

	"skiff/rootfs/safepath"
	"skiff/runtime/spec"
)

// maxFile bounds how much of each file is read, in bytes.
const maxFile = 4 << 20

// Resolve looks a user ("user[:group]", names or numbers) and further groups up
// in a root file system.
func Resolve(root *safepath.Root, who string, groups []string) (spec.User, error) {
	passwd, err := read(root, "/etc/passwd")
	if err != nil {
		return spec.User{}, err
	}
	group, err := read(root, "/etc/group")
	if err != nil {
		return spec.User{}, err
	}
	return spec.ResolveUser(passwd, group, who, groups)
}

// Names are the users and groups of a root file system by their ids, as far as
// they can be read.
func Names(root *safepath.Root) (users, groups map[uint32]string) {
	users, groups = map[uint32]string{}, map[uint32]string{}
	if f, err := read(root, "/etc/passwd"); err == nil {
		found, _ := user.ParsePasswd(f)
		for _, u := range slices.Backward(found) { // of two names for an id the first one counts
			users[uint32(u.Uid)] = printable(u.Name)
		}
	}
	if f, err := read(root, "/etc/group"); err == nil {
		found, _ := user.ParseGroup(f)
		for _, g := range slices.Backward(found) {
			groups[uint32(g.Gid)] = printable(g.Name)
		}
	}
	return users, groups
}

// printable is a name that may be shown on a terminal; "" for one that may not.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == ' ' }) {
		return ""
	}
	return name
}

func read(root *safepath.Root, path string) (io.ReadSeeker, error) {
	b, err := root.ReadFile(path, maxFile)
	if errors.Is(err, os.ErrNotExist) {
		return bytes.NewReader(nil), nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's %s: %w", path, err)
	}
	return bytes.NewReader(b), nil
}
