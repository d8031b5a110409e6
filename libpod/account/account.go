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
