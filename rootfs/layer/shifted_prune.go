package layer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"skiff/rootfs/safepath"
	"skiff/state/lock"
)

// usersLock is held shared while a start finds or makes its copies, and alone by
// who takes away those that no container needs: a container's record is there
// before its start looks.
func usersLock(dir string) string { return filepath.Join(dir, "users.lock") }

// Names are the names of the copies of layers.
func (s Shifted) Names(layers []string) []string {
	out := make([]string, len(layers))
	for i, l := range layers {
		out[i] = s.name(l)
	}
	return out
}

// ShiftedCopies gives the directories of all copies in dir, by name. A missing dir
// has none.
func ShiftedCopies(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "new" {
			out[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	return out, nil
}

// OrphanedCopies are the names of the copies in dir whose layer is gone.
func OrphanedCopies(dir string) (names []string, err error) {
	copies, err := ShiftedCopies(dir)
	for name, path := range copies {
		source, err := os.ReadFile(filepath.Join(path, "source"))
		if err != nil {
			continue
		}
		if _, err := os.Lstat(string(source)); errors.Is(err, fs.ErrNotExist) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// PruneShifted removes the copies in dir that are not needed. needed is asked while
// no start can find a copy; where one is at it nothing is removed.
func PruneShifted(dir string, needed func() (map[string]bool, error)) error {
	l, err := lock.Try(usersLock(dir))
	if errors.Is(err, lock.ErrBusy) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	keep, err := needed()
	if err != nil {
		return err
	}
	copies, err := ShiftedCopies(dir)
	errs := []error{err}
	for name, path := range copies {
		if !keep[name] {
			errs = append(errs, safepath.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
