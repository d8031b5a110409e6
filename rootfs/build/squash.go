package build

import (
	"os"
	"slices"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/copytree"
)

// squashed makes one layer of a result's, of those that the build has added
// (--squash) or of all (--squash-all). The history keeps its entries; the last
// that had a layer has the new one.
func (b *Builder) squashed(r *stageResult) (*stageResult, error) {
	whole := b.opt.SquashAll || r.base == nil
	if !b.opt.Squash && !b.opt.SquashAll || len(r.layers) == 0 && (r.base == nil || !b.opt.SquashAll) {
		return r, nil
	}
	out := *r
	dirs := out.dirs()
	if !whole {
		dirs = dirs[len(r.base.Layers):]
	}
	l, err := b.layerFrom(key("squash", r.key, r.below(whole)), "squashed layers", func(into *cache.Work) error {
		to, err := os.Open(into.Upper)
		if err != nil {
			return err
		}
		defer to.Close()
		return copytree.Stack(dirs, to, whole)
	})
	if err != nil {
		return nil, err
	}
	out.layers, out.key = []*cache.Layer{l}, l.Key
	out.history = slices.Clone(r.history)
	last := -1
	for i := range out.history {
		if out.history[i].layer >= 0 {
			last = i
		}
		out.history[i].layer = -1
	}
	if out.swallowed = b.opt.SquashAll && r.base != nil; out.swallowed && last < 0 {
		out.history = append(out.history, history{createdBy: "squash", layer: 0})
	} else {
		out.history[last].layer = 0
	}
	return &out, nil
}

// below names what a squashed layer is to lie on.
func (r *stageResult) below(whole bool) string {
	if whole || r.base == nil {
		return "nothing"
	}
	return r.base.ID
}
