package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"

	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Sync makes the records and the name index agree with the store: what a
// process that died, or a power cut, left undone in either is done. An image of
// the store that cannot be read gets no record and stops nothing.
func (s *Store) Sync(ctx context.Context) error {
	l, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return err
	}
	defer l.Release()
	return s.syncLocked(ctx)
}

// syncLocked is Sync for a caller that holds the records' lock. Only under this
// lock is the list of the store's images not older than the records.
func (s *Store) syncLocked(ctx context.Context) error {
	stamp, err := s.sharedStamp()
	if err != nil {
		return err
	}
	images, err := s.s.Images()
	if err != nil {
		return fmt.Errorf("cannot list the images of the store: %w", err)
	}
	records, err := s.images.List()
	if err != nil {
		return err
	}
	known := vouched(records)
	owners := map[string]string{} // name to id
	var gained, changed []*state.Image
	keep := map[string]bool{}
	for i := range images {
		img := &images[i]
		if img.ReadOnly {
			continue // a shared store's, see syncShared
		}
		old, _ := s.images.Load(img.ID)
		rec := old
		if !s.current(old, img) {
			if old == nil {
				if err := s.vet(img, known); err != nil {
					s.refuse(img.ID, err)
					continue
				}
			}
			if rec, err = s.record(ctx, img); err != nil {
				continue
			}
			rec.Added = s.added(img.ID)
			if old != nil {
				rec.Added = old.Added
			}
			if old == nil || gainsName(old, rec) {
				gained = append(gained, rec)
			} else {
				changed = append(changed, rec)
			}
		}
		keep[img.ID] = true
		for _, name := range append(rec.Names, digestNames(img)...) {
			owners[name] = img.ID
		}
	}
	// A name that moves from one image to another is, in this order, never nobody's.
	for _, step := range []func() error{
		func() error { return s.write(gained, jsonfile.Durable) },
		func() error { return s.index(owners) },
		func() error { return s.write(changed, jsonfile.Volatile) },
		func() error { return dropRecords(s.roots.Images(), keep) },
		func() error { return s.syncShared(ctx, images, stamp) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// refuse removes an image that is not to be had, and keeps the reason for
// whoever added it.
func (s *Store) refuse(id string, why error) {
	var refused *Refused
	if !errors.As(why, &refused) {
		return // it cannot be read: it is left alone until it is pulled again or removed
	}
	if s.refused == nil {
		s.refused = map[string]error{}
	}
	s.refused[id] = why
	if _, err := s.s.DeleteImage(id, true); err != nil {
		s.refused[id] = errors.Join(why, err)
	}
}

// Added reports on an image that the caller has just added: it writes the
// record, unless the image is refused.
func (s *Store) Added(ctx context.Context, id string) (*state.Image, error) {
	if err := s.Sync(ctx); err != nil {
		return nil, err
	}
	if err := s.refused[id]; err != nil {
		return nil, err
	}
	return s.images.Load(id)
}

// current reports whether a record says what the store says.
func (s *Store) current(rec *state.Image, img *storage.Image) bool {
	if !agrees(rec, img) {
		return false
	}
	if len(rec.Layers) == 0 {
		return img.TopLayer == ""
	}
	top := rec.Layers[len(rec.Layers)-1]
	if _, err := os.Lstat(top); err != nil || !strings.Contains(top, "/"+img.TopLayer) {
		return false
	}
	if strings.HasPrefix(top, s.roots.Storage()+"/") {
		return true
	}
	l, err := s.s.Layer(img.TopLayer)
	return err == nil && l.ReadOnly
}

// agrees reports whether a record has the names and digests that the store has.
func agrees(rec *state.Image, img *storage.Image) bool {
	if rec == nil || rec.Version != state.ImageVersion || rec.ReadOnly != img.ReadOnly {
		return false
	}
	names, digests := splitNames(img)
	return slices.Equal(rec.NamesHistory, pastNames(img)) && slices.Equal(rec.Names, names) &&
		slices.Equal(rec.RepoDigests, digests) && rec.Digest == img.Digest.String()
}

func gainsName(old, rec *state.Image) bool {
	for _, name := range rec.Names {
		if !slices.Contains(old.Names, name) {
			return true
		}
	}
	return false
}

// digestNames are the names with a digest by which the image was pulled.
func digestNames(img *storage.Image) []string {
	var names []string
	for _, name := range img.Names {
		if strings.Contains(name, "@") {
			names = append(names, name)
		}
	}
	return names
}

func (s *Store) write(recs []*state.Image, d jsonfile.Durability) error {
	for _, rec := range recs {
		if err := jsonfile.Write(s.roots.Image(rec.ID), rec, d); err != nil {
			return err
		}
	}
	return nil
}

// index makes the name index hold exactly these names.
func (s *Store) index(owners map[string]string) error {
	for name, id := range owners {
		path := layer.IndexFile(s.roots, name)
		if path == "" {
			continue
		}
		if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == id {
			continue
		}
		if err := writeIndex(path, id); err != nil {
			return fmt.Errorf("cannot write the name of image %s: %w", id, err)
		}
	}
	entries, err := os.ReadDir(s.roots.ImageNames())
	if err != nil {
		return fmt.Errorf("cannot read the image names: %w", err)
	}
	for _, e := range entries {
		name, err := url.PathUnescape(e.Name())
		if err == nil && owners[name] != "" {
			continue
		}
		if err := os.Remove(filepath.Join(s.roots.ImageNames(), e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeIndex replaces the file in one step.
func writeIndex(path, id string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(id+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// dropRecords removes the records of images that the store no longer has, and
// what a killed writer left.
func dropRecords(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot read the image records: %w", err)
	}
	for _, e := range entries {
		id, rest, ok := strings.Cut(e.Name(), ".json")
		if !ok || !state.IsID(id) || (rest == "" && keep[id]) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
