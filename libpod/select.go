package libpod

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"skiff/state"
)

// Selection names containers in the ways that commands allow.
type Selection struct {
	// Refs are names, ids and prefixes.
	Refs []string
	// All takes every container, Latest the one made last.
	All    bool
	Latest bool
	// Filters narrow the selection down, as those of ps do.
	Filters []string
	// Ignore leaves out what does not exist instead of reporting it.
	Ignore bool
}

// Select gives the full ids of a selection, each once, in the order asked for.
// What cannot be found is reported in the error while the rest is still given.
func (e *Engine) Select(sel Selection) ([]string, error) {
	var out []string
	var errs []error
	add := func(id string) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, ref := range sel.Refs {
		id, err := e.Store.Find(ref)
		switch {
		case err == nil:
			add(id)
		case !sel.Ignore || !errors.Is(err, state.ErrNotFound):
			errs = append(errs, err)
		}
	}
	if sel.All || sel.Latest {
		ids, err := e.byAge()
		if err != nil {
			return nil, err
		}
		if sel.Latest {
			if len(ids) == 0 {
				return nil, fmt.Errorf("no container to choose the latest from: %w", state.ErrNotFound)
			}
			ids = ids[:1]
		}
		for _, id := range ids {
			add(id)
		}
	}
	out, err := e.matching(out, sel.Filters)
	return out, errors.Join(append(errs, err)...)
}

// matching keeps the containers that the filters let through.
func (e *Engine) matching(ids, filters []string) ([]string, error) {
	if len(filters) == 0 {
		return ids, nil
	}
	parsed, err := ParseFilters("container", filters)
	if err != nil {
		return nil, err
	}
	match, _, err := e.containerFilter(parsed)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range ids {
		c, err := e.container(id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if match(c) {
			out = append(out, id)
		}
	}
	return out, nil
}

// byAge lists all containers, the one made last first.
func (e *Engine) byAge() ([]string, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	cfgs := make([]*state.Config, 0, len(ids))
	for _, id := range ids {
		if cfg, err := e.Store.Load(id); err == nil {
			cfgs = append(cfgs, cfg)
		}
	}
	sort.Slice(cfgs, func(i, j int) bool { return cfgs[i].Created.After(cfgs[j].Created) })
	out := make([]string, len(cfgs))
	for i, cfg := range cfgs {
		out[i] = cfg.ID
	}
	return out, nil
}
