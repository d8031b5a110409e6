package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"

	"skiff/state"
	"skiff/state/jsonfile"
)

// sharedStamp is the state of the shared stores; it is taken before they are
// read, so that what changes meanwhile is noticed by the next reader.
func (s *Store) sharedStamp() (string, error) {
	if s.all.Shared == nil {
		return "", nil
	}
	return s.all.Shared.Stamp()
}

// syncShared makes the derived records agree with the shared stores, of whose
// images all may contain others: those of the own store are left out. The stamp
// goes last. Nothing is written into a shared store.
func (s *Store) syncShared(ctx context.Context, all []storage.Image, stamp string) error {
	shared := s.all.Shared
	if shared == nil {
		return nil
	}
	dir := shared.Dir(s.roots)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot keep the records of the shared image stores: %w", err)
	}
	keep := map[string]bool{}
	for i := range all {
		img := &all[i]
		if !img.ReadOnly || keep[img.ID] {
			continue // the own store's, or one that an earlier shared store has
		}
		old, _ := s.all.LoadShared(img.ID)
		if !sharedCurrent(old, img) {
			rec, err := s.record(ctx, img)
			if err != nil {
				continue // it cannot be read, as of any store
			}
			rec.Added = s.added(img.ID)
			if err := jsonfile.Write(filepath.Join(dir, img.ID+".json"), rec, jsonfile.Volatile); err != nil {
				return err
			}
		}
		keep[img.ID] = true
	}
	if err := dropRecords(dir, keep); err != nil {
		return err
	}
	file := shared.StampFile(s.roots)
	if err := os.WriteFile(file+".tmp", []byte(stamp), 0o600); err != nil {
		return fmt.Errorf("cannot keep the records of the shared image stores: %w", err)
	}
	return os.Rename(file+".tmp", file)
}

// sharedCurrent reports whether a record says what a shared store says, and all
// of its layers are there.
func sharedCurrent(rec *state.Image, img *storage.Image) bool {
	if !agrees(rec, img) || len(rec.Layers) == 0 != (img.TopLayer == "") {
		return false
	}
	return !slices.ContainsFunc(rec.Layers, func(dir string) bool {
		_, err := os.Lstat(dir)
		return err != nil
	})
}

// sharedDirs gives the directories of a shared image's layers, the lowest first.
// The own store may have some of the layers as well, but may lose them while
// the shared image is in use, so the shared stores' count first.
func (s *Store) sharedDirs(chain []*storage.Layer, driver string) ([]string, error) {
	if driver == "vfs" {
		chain = chain[:1] // the top one has the whole tree
	}
	dirs := make([]string, 0, len(chain))
	for _, l := range slices.Backward(chain) {
		dir := ""
		for _, root := range append(slices.Clone(s.all.Shared.Stores), s.roots.Storage()) {
			d := filepath.Join(root, "overlay", l.ID, "diff")
			if driver == "vfs" {
				d = filepath.Join(root, "vfs", "dir", l.ID)
			}
			if st, err := os.Stat(d); err == nil && st.IsDir() {
				dir = d
				break
			}
		}
		if dir == "" {
			return nil, fmt.Errorf("layer %s is in none of %s", l.ID, strings.Join(s.all.Shared.Stores, ", "))
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}
