package libpod

import (
	"context"
	"errors"

	"skiff/rootfs/layer"
	"skiff/state"
)

// shiftedUse is how large the copies of layers for user namespaces are in bytes,
// and those of them that no container needs.
func (e *Engine) shiftedUse() (all, free int64, err error) {
	copies, err := layer.ShiftedCopies(e.Roots.ShiftedLayers())
	if err != nil || len(copies) == 0 {
		return 0, 0, err
	}
	keep, err := e.neededShifted()
	if err != nil {
		return 0, 0, err
	}
	for name, dir := range copies {
		size, err := treeSize(dir)
		if err != nil {
			return 0, 0, err
		}
		all += size
		if !keep[name] {
			free += size
		}
	}
	return all, free, nil
}

// neededShifted are the names of the copies that the next start of some container
// takes, or that one which runs has.
func (e *Engine) neededShifted() (map[string]bool, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, id := range ids {
		cfg, err := e.Store.Load(id)
		if errors.Is(err, state.ErrNotFound) {
			continue // removed since, or half made: no start of it is at work
		}
		if err != nil {
			return nil, err
		}
		if !cfg.OwnUserNS() {
			continue
		}
		if cfg.IDMaps == nil { // a namespace given by its path may have any maps
			return e.allShifted()
		}
		layers, err := e.layersOf(cfg)
		if err != nil {
			return nil, err
		}
		for _, name := range (layer.Shifted{Maps: *cfg.IDMaps}).Names(layers) {
			keep[name] = true
		}
	}
	return keep, nil
}

func (e *Engine) allShifted() (map[string]bool, error) {
	copies, err := layer.ShiftedCopies(e.Roots.ShiftedLayers())
	keep := make(map[string]bool, len(copies))
	for name := range copies {
		keep[name] = true
	}
	return keep, err
}

// layersOf are the directories that a container's start mounts as layers: those of
// its image and of images that it mounts, or its own root file system.
func (e *Engine) layersOf(cfg *state.Config) (dirs []string, err error) {
	if r := cfg.Extra().Rootfs; r != nil {
		dirs = append(dirs, r.Path)
	}
	images := []string{}
	if cfg.Image.ID != "" {
		images = append(images, cfg.Image.ID)
	}
	for _, m := range cfg.Mounts {
		if m.Type == state.MountImage {
			images = append(images, m.Source)
		}
	}
	for _, id := range images {
		img, err := e.Images.Load(id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, img.Layers...)
	}
	return dirs, nil
}

// pruneShifted removes the copies that no container needs, and says how many bytes
// that freed.
func (e *Engine) pruneShifted(ctx context.Context) (freed int64, err error) {
	before, free, err := e.shiftedUse()
	if err != nil || free == 0 {
		return 0, err
	}
	if e.Rootless() {
		err = e.inUserNamespace(ctx, InternalPruneShifted, "-")
	} else {
		err = e.PruneShiftedFiles()
	}
	after, _, aerr := e.shiftedUse()
	return max(before-after, 0), errors.Join(err, aerr)
}

// PruneShiftedFiles is pruneShifted where all files may be removed. Internal
// command prune-shifted.
func (e *Engine) PruneShiftedFiles() error {
	return layer.PruneShifted(e.Roots.ShiftedLayers(), e.neededShifted)
}
