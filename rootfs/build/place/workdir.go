package place

import (
	"errors"
	"fmt"

	"skiff/rootfs/safepath"
)

// Workdir makes the directory of a WORKDIR, where it is missing, with those that
// lead to it. They belong to the user in force, as USER named it, or to root where
// the image does not know that user yet.
func Workdir(root *safepath.Root, dir, user string) error {
	o, err := findOwner(root, user)
	var missing unknown
	if errors.As(err, &missing) || err == nil && o == nil {
		o, err = &owner{}, nil
	}
	if err != nil {
		return err
	}
	if err := root.MkdirAll(dir, 0o755, o.uid, o.gid); err != nil {
		return fmt.Errorf("cannot make the directory %s: %w", dir, err)
	}
	return nil
}
