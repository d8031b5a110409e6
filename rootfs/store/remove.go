package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"go.podman.io/storage"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// RemoveOptions say how far Remove goes.
type RemoveOptions struct {
	// Force removes an image that has several names by its id. Docker: --force.
	Force bool
	// NoPrune keeps untagged parents. Docker: --no-prune.
	NoPrune bool
	// Index refuses what is no index. Podman: manifest rm.
	Index bool
	// Nameless leaves an image that has a name, in which case nothing is removed.
	Nameless bool
}

// InUse is state.ErrInUse with the container that uses the image.
type InUse struct{ Image, Container string }

func (e *InUse) Error() string {
	return fmt.Sprintf("image used by %s: image is in use by a container: consider listing external containers and force-removing image", e.Container)
}

// Is makes errors.Is(err, state.ErrInUse) true.
func (e *InUse) Is(target error) bool { return target == state.ErrInUse }

// Remove takes the name that ref is away from its image, and with the last name,
// or if ref is an id, the image. It reports what it did also if it fails then.
//
// The image's record goes first and its content after it, so that no container
// is made from an image that is half there.
func (s *Store) Remove(ctx context.Context, ref string, o RemoveOptions) ([]imagecall.Removed, error) {
	unlock, err := s.lockRemoval()
	if err != nil {
		return nil, err
	}
	defer unlock()
	rec, full, err := s.all.Lookup(ref)
	if err != nil {
		return nil, err
	}
	if o.Index && rec.Index == nil {
		return nil, fmt.Errorf("%s: %w", full, ErrNotIndex)
	}
	if rec.ReadOnly {
		return nil, readOnly(ref, "removed")
	}
	img, err := s.stored(rec.ID)
	if err != nil {
		return nil, err
	}
	if o.Nameless && len(img.Names) > 0 {
		return nil, nil
	}
	byID := full == rec.ID
	if len(img.Names) > 1 {
		switch {
		case byID && !o.Force:
			return nil, fmt.Errorf("unable to delete image %q by ID with more than one tag (%s): please force removal", rec.ID, strings.Join(img.Names, ", "))
		case !byID && contains(img.Names, full):
			if err := s.s.RemoveNames(rec.ID, []string{full}); err != nil {
				return nil, err
			}
			return []imagecall.Removed{{Untagged: full}}, s.syncLocked(ctx)
		case byDigest(full) && !o.Force:
			return nil, fmt.Errorf("unable to delete image %q by digest with more than one tag (%s): please force removal", rec.ID, strings.Join(img.Names, ", "))
		}
	}
	return s.removeTree(ctx, rec, img, o)
}

// RemoveAll removes all images, or only those without a name, the children
// before their parents. Images that are in use are left, and reported.
func (s *Store) RemoveAll(ctx context.Context, dangling bool) ([]imagecall.Removed, []error) {
	unlock, err := s.lockRemoval()
	if err != nil {
		return nil, []error{err}
	}
	defer unlock()
	var done []imagecall.Removed
	var errs []error
	images, err := s.images.List()
	if err != nil {
		return nil, []error{err}
	}
	sort.SliceStable(images, func(i, j int) bool { return len(images[i].DiffIDs) > len(images[j].DiffIDs) })
	held := listed(images)
	for _, rec := range images {
		img, err := s.stored(rec.ID)
		if errors.Is(err, storage.ErrImageUnknown) || dangling && err == nil && (len(img.Names) > 0 || held[rec.ID]) {
			continue
		}
		var removed []imagecall.Removed
		if err == nil {
			removed, err = s.removeTree(ctx, rec, img, RemoveOptions{NoPrune: dangling})
		}
		done = append(done, removed...)
		if err != nil && !(dangling && errors.Is(err, state.ErrInUse)) {
			errs = append(errs, err)
		}
	}
	if err := s.DropOrphans(); err != nil {
		errs = append(errs, err)
	}
	return done, errs
}

// readOnly is the error for an image of a shared store.
func readOnly(ref, what string) error {
	return fmt.Errorf("image %q is in a shared, read-only image store and cannot be %s", ref, what)
}

// lockRemoval takes the locks under which images go away: nobody makes a
// container from an image, and nobody writes records, meanwhile.
func (s *Store) lockRemoval() (unlock func(), err error) {
	images, err := lock.Take(s.roots.ImageLock())
	if err != nil {
		return nil, err
	}
	records, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		images.Release()
		return nil, err
	}
	return func() { records.Release(); images.Release() }, nil
}

// removeTree removes an image, and then its parent if that has no name and no
// other child, and so on.
func (s *Store) removeTree(ctx context.Context, rec *state.Image, img *storage.Image, o RemoveOptions) ([]imagecall.Removed, error) {
	if err := s.unused(rec.ID); err != nil {
		return nil, err
	}
	family, err := s.images.List()
	if err != nil {
		return nil, err
	}
	hasChildren := len(childrenOf(rec, family)) > 0
	parent := parentOf(rec, family)
	if err := s.remove(ctx, rec.ID); err != nil {
		return nil, err
	}
	var done []imagecall.Removed
	for _, name := range img.Names {
		done = append(done, imagecall.Removed{Untagged: name})
	}
	if !hasChildren {
		done = append(done, imagecall.Removed{Deleted: rec.ID})
	}
	if o.NoPrune || parent == nil || len(parent.Names) > 0 {
		return done, nil
	}
	stored, err := s.stored(parent.ID)
	if err != nil || len(stored.Names) > 0 || len(childrenOf(parent, family)) > 1 || listed(family)[parent.ID] || s.unused(parent.ID) != nil {
		return done, nil
	}
	more, err := s.removeTree(ctx, parent, stored, o)
	return append(done, more...), err
}

// remove takes the record away, then the names, then the content.
func (s *Store) remove(ctx context.Context, id string) error {
	rec, err := s.images.Load(id)
	if err != nil {
		return err
	}
	if err := os.Remove(s.roots.Image(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove the record of image %s: %w", id, err)
	}
	for _, name := range append(rec.Names, rec.RepoDigests...) {
		path := layer.IndexFile(s.roots, name)
		if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == id {
			os.Remove(path)
		}
	}
	_, err = s.s.DeleteImage(id, true)
	// A layer that only a shared store has is not known to the own one. It is
	// met after the image and the own layers above it are gone.
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) && !errors.Is(err, storage.ErrLayerUnknown) {
		// It is still there: so is its record, again.
		return errors.Join(fmt.Errorf("cannot remove image %s: %w", id, err), s.syncLocked(ctx))
	}
	return nil
}

// unused fails with InUse if a container was made from the image or mounts it.
func (s *Store) unused(id string) error {
	entries, err := os.ReadDir(s.roots.Containers())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list containers: %w", err)
	}
	for _, e := range entries {
		var cfg state.Config
		err := jsonfile.Read(s.roots.Container(e.Name()).Config(), &cfg)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot tell which image container %s uses: %w", e.Name(), err)
		}
		if uses(&cfg, id) {
			return &InUse{Image: id, Container: e.Name()}
		}
	}
	return nil
}

func uses(cfg *state.Config, id string) bool {
	if cfg.Image.ID == id {
		return true
	}
	for _, m := range cfg.Mounts {
		if m.Type == state.MountImage && m.Source == id {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
