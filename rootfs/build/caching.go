package build

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/exchange"
	"skiff/rootfs/build/progress"
	"skiff/rootfs/imagecall"
)

// importer opens the caches of --cache-from when the first step is not found here.
func (b *Builder) importer(ctx context.Context) func() *exchange.Importer {
	return sync.OnceValue(func() *exchange.Importer {
		if len(b.opt.CacheFrom) == 0 {
			return nil
		}
		var found *exchange.Importer
		_ = b.vertex(progress.Vertex{ID: key("cache-from"), Name: "importing cache"}, func(vertical) error {
			s, err := b.open()
			if err != nil {
				b.display.Warn("cannot read build caches: " + err.Error())
				return nil
			}
			found = exchange.Open(ctx, s, b.opt.CacheFrom, b.display.Warn)
			b.later(found.Close)
			return nil
		})
		return found
	})
}

// imported takes a step from one of the caches of --cache-from.
func (s *solver) imported(ctx context.Context, k string) (*cache.Layer, bool) {
	i := s.importOnce()
	if i == nil || !i.Has(k) {
		return nil, false
	}
	l, ok := i.Fetch(ctx, s.cache, k)
	if ok && s.renew(l) != nil {
		return nil, false
	}
	return l, ok
}

// exportCache puts what the cache has of the results where --cache-to says.
func (b *Builder) exportCache(ctx context.Context, results []*result) error {
	for _, p := range b.opt.CacheTo {
		if p.Type == inlineCache {
			continue // it is in the image
		}
		err := b.vertex(progress.Vertex{ID: key("cache-to", p.Type), Name: "exporting cache to " + p.Type}, func(vertical) error {
			s, err := b.open()
			if err != nil {
				return err
			}
			return exchange.Export(ctx, s, p, b.stepsFor(p, results))
		})
		if err != nil {
			return fmt.Errorf("cannot write the build cache: %w", err)
		}
	}
	return nil
}

// inlineCache is the type of cache that is a part of the image.
const inlineCache = "inline"

// stepsFor are the steps that a cache gets: the results', or with mode=max all.
func (b *Builder) stepsFor(p imagecall.Place, results []*result) []*cache.Layer {
	var list []*cache.Layer
	seen := map[string]bool{}
	add := func(layers []*cache.Layer) {
		for _, l := range layers {
			if !seen[l.Key] {
				seen[l.Key] = true
				list = append(list, l)
			}
		}
	}
	for _, r := range results {
		add(r.steps)
		if p.Attrs["mode"] == "max" {
			add(r.all)
		}
	}
	return list
}

// inline is what an image says of its own steps, nil where it is to say nothing.
func (b *Builder) inline(r *stageResult) (json.RawMessage, error) {
	if !slices.ContainsFunc(b.opt.CacheTo, func(p imagecall.Place) bool { return p.Type == inlineCache }) {
		return nil, nil
	}
	var keys, renews []string
	if r.base != nil && !r.swallowed {
		keys, renews = make([]string, len(r.base.DiffIDs)), make([]string, len(r.base.DiffIDs))
	}
	for _, l := range r.layers {
		keys, renews = append(keys, l.Key), append(renews, l.Renews)
	}
	return exchange.Inline(keys, renews)
}
