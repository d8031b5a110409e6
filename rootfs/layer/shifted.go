package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"skiff/rootfs/copytree"
	"skiff/rootfs/safepath"
	"skiff/state"
	"skiff/state/lock"
)

// Shifted are copies of layers in which every file belongs to the id that the
// owner has outside of a container's user namespace: what the kernel does without
// a copy where it can (MapOwners). All containers with the same maps share them.
//
// A copy is a directory of Dir, named after the maps and the layer, with the
// layer's path in the file "source" and the files below "diff". One whose layer is
// gone is removed when the next is made, one that no container needs by
// PruneShifted.
type Shifted struct {
	Dir  string
	Maps state.IDMaps
}

// Layers gives the paths of the copies, making those that are missing.
func (s Shifted) Layers(layers []string) ([]string, error) {
	// Setuid programs in them are for containers only.
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot copy the image for the user namespace: %w", err)
	}
	users, err := lock.Share(usersLock(s.Dir))
	if err != nil {
		return nil, fmt.Errorf("cannot copy the image for the user namespace: %w", err)
	}
	defer users.Release()
	out := make([]string, 0, len(layers))
	for _, l := range layers {
		dir := filepath.Join(s.Dir, s.name(l))
		if err := s.complete(dir, l); err != nil {
			return nil, fmt.Errorf("cannot copy the image for the user namespace: %w", err)
		}
		out = append(out, filepath.Join(dir, "diff"))
	}
	return out, nil
}

func (s Shifted) name(layer string) string {
	sum := sha256.Sum256(fmt.Append(nil, s.Maps.UIDs, s.Maps.GIDs, layer))
	return hex.EncodeToString(sum[:16])
}

// complete makes a copy that is not there. It appears when it is whole.
func (s Shifted) complete(dir, layer string) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	l, err := lock.Take(filepath.Join(s.Dir, "lock"))
	if err != nil {
		return err
	}
	defer l.Release()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	if err := s.sweep(); err != nil {
		return err
	}
	tmp := filepath.Join(s.Dir, "new")
	defer func() {
		if err != nil {
			err = errors.Join(err, safepath.RemoveAll(tmp))
		}
	}()
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "source"), []byte(layer), 0o600); err != nil {
		return err
	}
	if err := s.copy(layer, filepath.Join(tmp, "diff")); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func (s Shifted) copy(layer, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	from, err := openDirectory(layer)
	if err != nil {
		return err
	}
	defer from.Close()
	dst, err := openDirectory(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	root, _ := state.ToOutside(s.Maps.UIDs, 0)
	return copytree.Copy(from, dst, copytree.Options{Owner: s.owner(), Layer: true, CapabilityRoot: root})
}

func openDirectory(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// owner gives what is nobody's in the container to an id that the container has
// not.
func (s Shifted) owner() func(uid, gid uint32) (uint32, uint32) {
	noUser, noGroup := outsider(s.Maps.UIDs), outsider(s.Maps.GIDs)
	return func(uid, gid uint32) (uint32, uint32) {
		u, ok := state.ToOutside(s.Maps.UIDs, uid)
		if !ok {
			u = noUser
		}
		g, ok := state.ToOutside(s.Maps.GIDs, gid)
		if !ok {
			g = noGroup
		}
		return u, g
	}
}

// outsider is the lowest id outside that a map has not.
func outsider(m []state.IDRange) uint32 {
	id := uint32(0)
	for again := true; again; {
		again = false
		for _, r := range m {
			if id >= r.Outside && id-r.Outside < r.Size {
				id, again = r.Outside+r.Size, true
			}
		}
	}
	return id
}

// sweep removes copies of layers that are gone and what a killed process left;
// the caller holds the lock.
func (s Shifted) sweep() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := filepath.Join(s.Dir, e.Name())
		if e.Name() != "new" {
			source, err := os.ReadFile(filepath.Join(dir, "source"))
			if err != nil {
				continue
			}
			if _, err := os.Lstat(string(source)); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if err := safepath.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
