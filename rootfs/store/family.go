package store

import (
	"errors"
	"fmt"
	"slices"

	"go.podman.io/storage"

	"skiff/state"
	"skiff/state/lock"
)

// isChild reports whether an image was made from parent: it begins with the
// parent's layers and history and has more of one of them. Images with nothing
// in common but that they are empty are no family.
func isChild(child, parent *state.Image) bool {
	if child.ID == parent.ID || len(parent.DiffIDs) == 0 && len(parent.History) == 0 {
		return false
	}
	if len(child.DiffIDs) < len(parent.DiffIDs) || len(child.History) <= len(parent.History) {
		return false
	}
	if !slices.Equal(child.DiffIDs[:len(parent.DiffIDs)], parent.DiffIDs) {
		return false
	}
	for i, h := range parent.History {
		c := child.History[i]
		if !c.Created.Equal(h.Created) || c.CreatedBy != h.CreatedBy || c.Comment != h.Comment || c.Author != h.Author || c.EmptyLayer != h.EmptyLayer {
			return false
		}
	}
	return true
}

func childrenOf(parent *state.Image, family []*state.Image) []*state.Image {
	var children []*state.Image
	for _, img := range family {
		if isChild(img, parent) {
			children = append(children, img)
		}
	}
	return children
}

// parentOf is the closest ancestor.
func parentOf(child *state.Image, family []*state.Image) *state.Image {
	var best *state.Image
	for _, img := range family {
		if isChild(child, img) && (best == nil || len(img.History) > len(best.History)) {
			best = img
		}
	}
	return best
}

// HoldLayers keeps layers that belong to no image yet from being removed as
// left-overs. Whoever adds an image holds it meanwhile.
func (s *Store) HoldLayers() (release func(), err error) {
	l, err := lock.Share(s.layersLock())
	if err != nil {
		return nil, err
	}
	return l.Release, nil
}

func (s *Store) layersLock() string { return s.roots.ImageLayersLock() }

// DropOrphans removes layers without an image: interrupted pulls leave them, so
// that the next pull of the same image has less to do. An image that was never
// completed goes, too. It does nothing while an image is being added.
func (s *Store) DropOrphans() error {
	l, err := lock.Try(s.layersLock())
	if err != nil {
		return nil
	}
	defer l.Release()
	layers, err := s.s.Layers()
	if err != nil {
		return fmt.Errorf("cannot list layers: %w", err)
	}
	images, err := s.s.Images()
	if err != nil {
		return fmt.Errorf("cannot list images: %w", err)
	}
	if images, err = s.dropHalves(images); err != nil {
		return err
	}
	parents := map[string]string{}
	for _, l := range layers {
		parents[l.ID] = l.Parent
	}
	used := map[string]bool{}
	for _, img := range images {
		for id := img.TopLayer; id != "" && !used[id]; id = parents[id] {
			used[id] = true
		}
	}
	// A layer goes after the layers above it.
	for left := true; left; {
		left = false
		hasChild := map[string]bool{}
		for _, parent := range parents {
			hasChild[parent] = true
		}
		for _, l := range layers {
			if _, there := parents[l.ID]; !there || used[l.ID] || hasChild[l.ID] || l.ReadOnly {
				continue
			}
			if err := s.s.DeleteLayer(l.ID); err != nil {
				return fmt.Errorf("cannot remove layer %s: %w", l.ID, err)
			}
			delete(parents, l.ID)
			left = true
		}
	}
	return nil
}

// dropHalves removes images that a process that died had begun to add: they have
// no manifest. It gives the others.
func (s *Store) dropHalves(images []storage.Image) (whole []storage.Image, err error) {
	for _, img := range images {
		if img.ReadOnly || slices.Contains(img.BigDataNames, storage.ImageDigestBigDataKey) {
			whole = append(whole, img)
			continue
		}
		if _, err := s.s.DeleteImage(img.ID, true); err != nil && !errors.Is(err, storage.ErrImageUnknown) {
			return nil, fmt.Errorf("cannot remove image %s, which is not complete: %w", img.ID, err)
		}
	}
	return whole, nil
}
