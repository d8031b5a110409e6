package libpod

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"skiff/rootfs/imagecall"
	"skiff/state"
	"skiff/state/event"
)

// PruneContainers removes the containers that do not run and that match, and
// gives their ids and how many bytes they had.
func (e *Engine) PruneContainers(ctx context.Context, filters []Filter) (removed []string, freed int64, err error) {
	match, _, err := e.containerFilter(filters)
	if err != nil {
		return nil, 0, err
	}
	all, err := e.containers()
	if err != nil {
		return nil, 0, err
	}
	var errs []error
	for i := range all {
		c := &all[i]
		if c.Status.Phase.Up() || !match(*c) {
			continue
		}
		size, err := treeSize(e.Roots.Container(c.Config.ID).Upper())
		if err != nil {
			errs = append(errs, err)
		}
		err = e.Remove(ctx, c.Config.ID, RemoveOptions{})
		switch {
		case err == nil:
			removed, freed = append(removed, c.Config.ID), freed+size
		case errors.Is(err, state.ErrNotFound), errors.Is(err, ErrRunning): // since we looked
		default:
			errs = append(errs, err)
		}
	}
	e.notePruned(event.Container, strconv.FormatInt(freed, 10))
	return removed, freed, errors.Join(append(errs, e.Collect(ctx))...)
}

// PruneOptions say what SystemPrune removes.
type PruneOptions struct {
	// All removes every image without containers, not only those without names.
	All bool
	// Volumes removes volumes as well: anonymous ones, or with NamedVolumes all.
	Volumes, NamedVolumes bool
	Filters               []Filter
}

// Pruned is what SystemPrune removed.
type Pruned struct {
	Containers, Networks, Volumes []string
	Images                        []imagecall.Removed
	Build                         []string // ids of the build cache's entries
	Freed                         int64    // bytes
}

// SystemPrune removes what nothing uses: containers that do not run, then what
// only they used.
func (e *Engine) SystemPrune(ctx context.Context, opt PruneOptions) (Pruned, error) {
	var p Pruned
	if err := opt.check(); err != nil {
		return p, err
	}
	var errs []error
	var err error
	if p.Containers, p.Freed, err = e.PruneContainers(ctx, opt.Filters); err != nil {
		errs = append(errs, err)
	}
	p.Networks, err = e.NetworkPrune(opt.Filters)
	errs = append(errs, err)
	if opt.Volumes {
		var freed int64
		p.Volumes, freed, err = e.PruneVolumesMeasured(ctx, opt.NamedVolumes, opt.Filters)
		p.Freed += freed
		errs = append(errs, err)
	}
	images, err := e.ImagePrune(opt.All, opt.Filters)
	if err != nil {
		return p, errors.Join(append(errs, err)...)
	}
	res, freed, err := e.ImagePruneRemove(ctx, images)
	p.Images, p.Freed = res.Removed, p.Freed+freed
	errs = append(append(errs, err), ToolErrors(res)...)
	// After the images: what only the cache has then is its own, and goes.
	errs = append(errs, e.pruneBuilds(opt, &p))
	return p, errors.Join(errs...)
}

// check refuses filters that not all kinds of things have, before anything is
// removed.
func (opt PruneOptions) check() error {
	for _, f := range opt.Filters {
		if f.Key != "label" && f.Key != "until" {
			return unknownFilter(f)
		}
		if f.Key == "until" && opt.Volumes {
			return state.Errorf(state.ErrInvalid, "cannot prune volumes with the filter until=%s: a volume's age says nothing about its use", f.Value)
		}
	}
	return nil
}

// PruneVolumesMeasured is PruneVolumes that says how many bytes the volumes had.
func (e *Engine) PruneVolumesMeasured(ctx context.Context, all bool, filters []Filter) (removed []string, freed int64, err error) {
	vols, _ := e.VolumeList(nil)
	sizes := map[string]int64{}
	for _, v := range vols {
		if v.Users == 0 {
			sizes[v.Name], _ = treeSize(v.Mountpoint)
		}
	}
	removed, err = e.PruneVolumes(ctx, all, filters)
	for name := range sizes {
		if slices.Contains(removed, name) {
			freed += sizes[name]
		}
	}
	e.notePruned(event.Volume, strconv.FormatInt(freed, 10))
	return removed, freed, err
}
