package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/lock"
)

// Tag gives an image more names; a short one becomes localhost's. A name that
// another image has moves. An image that only a shared store has is the own
// store's, too, from then on, under all of its names.
func (s *Store) Tag(ctx context.Context, ref string, names []string) (*state.Image, error) {
	full := make([]string, len(names))
	for i, name := range names {
		r, err := layer.ParseReference(name)
		if err != nil {
			return nil, err
		}
		if r.Digest != "" {
			return nil, fmt.Errorf("cannot tag %q: a name with a digest is made by a registry only", name)
		}
		if full[i], err = layer.NormalizeLocal(name); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, ref, func(img *state.Image) error {
		return s.s.AddNames(img.ID, full)
	})
}

// IsDuplicate reports whether an image cannot be added because its id is in use.
func IsDuplicate(err error) bool { return errors.Is(err, storage.ErrDuplicateID) }

// Found gives the image with this id another name, and notes a manifest under which
// a registry has it; nil for none.
func (s *Store) Found(ctx context.Context, id, name string, blob []byte) (*state.Image, error) {
	return s.change(ctx, id, func(img *state.Image) error {
		if img.ID != id {
			return layer.Unknown(id)
		}
		if blob != nil {
			d, err := manifest.Digest(blob)
			if err != nil {
				return err
			}
			key := storage.ImageDigestManifestBigDataNamePrefix + "-" + d.String()
			if err := s.s.SetImageBigData(id, key, blob, manifest.Digest); err != nil {
				return err
			}
		}
		return s.s.AddNames(id, []string{name})
	})
}

// Untag takes names away from an image, without names all of them. Each name is
// looked for as Lookup does, and must be the image's.
func (s *Store) Untag(ctx context.Context, ref string, names []string) (*state.Image, error) {
	return s.change(ctx, ref, func(img *state.Image) error {
		if img.ReadOnly {
			return readOnly(ref, "changed")
		}
		if len(names) == 0 {
			return s.s.SetNames(img.ID, nil)
		}
		var drop []string
		for _, name := range names {
			full, err := s.nameOf(img, name)
			if err != nil {
				return err
			}
			drop = append(drop, full)
		}
		return s.s.RemoveNames(img.ID, drop)
	})
}

// nameOf gives the full name of the image that a user means.
func (s *Store) nameOf(img *state.Image, name string) (string, error) {
	found, full, err := s.all.Lookup(name)
	if err == nil && found.ID == img.ID {
		own, err := s.stored(img.ID)
		if err == nil && slices.Contains(own.Names, full) { // a name by digest among them
			return full, nil
		}
	}
	if full, err = layer.NormalizeLocal(name); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s: tag not known", full)
}

// change changes an image of the store and its record.
func (s *Store) change(ctx context.Context, ref string, do func(*state.Image) error) (*state.Image, error) {
	l, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return nil, err
	}
	defer l.Release()
	img, _, err := s.all.Lookup(ref)
	if err != nil {
		return nil, err
	}
	if err := do(img); err != nil {
		return nil, err
	}
	return img, s.syncLocked(ctx)
}

// stored gives the store's own image and all its names.
func (s *Store) stored(id string) (*storage.Image, error) {
	img, err := s.s.Image(id)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id, err)
	}
	return img, nil
}

// byDigest reports whether a name of an image ends with a digest.
func byDigest(name string) bool { return strings.Contains(name, "@") }
