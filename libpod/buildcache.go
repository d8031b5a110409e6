package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"skiff/rootfs/build/cache"
	"skiff/state"
	"skiff/state/event"
)

// BuildCache lists what builds keep, measured, the least recently used first.
func (e *Engine) BuildCache() ([]cache.Entry, error) {
	list, err := cache.List(e.Roots)
	for i := range list {
		list[i].Measure()
	}
	return list, err
}

// buildTotal is the summary's row of the build cache. What images share with it is
// theirs.
func (u DiskUsage) buildTotal() Total {
	t := Total{Type: "Build Cache", Count: len(u.Build)}
	for _, b := range u.Build {
		t.Size += b.Size - b.Shared
		if b.InUse {
			t.Active++
		} else {
			t.Reclaimable += b.Size - b.Shared
		}
	}
	return t
}

// PruneBuildOptions say what PruneBuildCache removes.
type PruneBuildOptions struct {
	// All takes also what images have the files of.
	All bool
	// Space says how much may stay; the zero value is nothing.
	Space   cache.Space
	Filters []Filter
}

// PruneBuildCache removes what builds keep and no build uses at the moment.
func (e *Engine) PruneBuildCache(opt PruneBuildOptions) (cache.Freed, error) {
	f := cache.Filter{All: opt.All, Space: opt.Space}
	for _, w := range opt.Filters {
		if w.Key == "until" || w.Key == "unused-for" {
			t, err := ParseMoment(w.Value, time.Now())
			if err != nil {
				return cache.Freed{}, err
			}
			if w.Not {
				return cache.Freed{}, state.Errorf(state.ErrInvalid, "filter %s cannot be negated", w.Key)
			}
			f.Unused = max(f.Unused, time.Since(t), 1)
			continue
		}
		m, err := cache.NewMatch(w.Key, w.Value, w.Not)
		if err != nil {
			return cache.Freed{}, state.Errorf(state.ErrInvalid, "%v", err)
		}
		f.Match = append(f.Match, m)
	}
	freed, err := e.pruneBuildFiles(f)
	e.notePruned(event.Builder, strconv.FormatInt(freed.Bytes, 10))
	return freed, err
}

// pruneBuildFiles removes what the filter wants. An ordinary user's steps have files
// of others of his ids.
func (e *Engine) pruneBuildFiles(f cache.Filter) (freed cache.Freed, err error) {
	if !e.Rootless() {
		return cache.Prune(e.Roots, f)
	}
	if list, err := cache.List(e.Roots); err != nil || len(list) == 0 {
		return freed, err
	}
	wanted, err := json.Marshal(f)
	if err != nil {
		return freed, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return freed, err
	}
	defer r.Close()
	read := make(chan error, 1)
	go func() { read <- json.NewDecoder(r).Decode(&freed) }()
	err = e.outputOf(context.Background(), InternalPruneBuilds, string(wanted), w)
	w.Close()
	if rerr := <-read; err == nil {
		err = rerr
	}
	return freed, err
}

// PruneBuildFiles prunes where all files may be removed, and writes what it freed.
// Internal command prune-builds.
func (e *Engine) PruneBuildFiles(filter string, out io.Writer) error {
	var f cache.Filter
	if err := json.Unmarshal([]byte(filter), &f); err != nil {
		return fmt.Errorf("cannot read the filter of the build cache: %w", err)
	}
	freed, err := cache.Prune(e.Roots, f)
	return errors.Join(err, json.NewEncoder(out).Encode(freed))
}

// pruneBuilds is the part of SystemPrune: as with Docker, the build cache knows no
// labels, and stays where they are asked for.
func (e *Engine) pruneBuilds(opt PruneOptions, p *Pruned) error {
	if slices.ContainsFunc(opt.Filters, func(f Filter) bool { return f.Key == "label" }) {
		return nil
	}
	freed, err := e.PruneBuildCache(PruneBuildOptions{All: opt.All, Filters: opt.Filters})
	for _, b := range freed.Entries {
		p.Build = append(p.Build, b.ID)
	}
	p.Freed += freed.Bytes
	return err
}
