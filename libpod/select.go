package libpod

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"skiff/state"
)

// Selection names containers in the ways that commands allow.
type Selection struct {
	// Refs are names, ids and prefixes.
	Refs []string
	// CIDFiles are files that hold an id each.
	CIDFiles []string
	// All takes every container, Latest the one made last.
	All    bool
	Latest bool
	// Filters narrow All down, as ps --filter does.
	Filters []string
	// Ignore leaves out what does not exist instead of reporting it.
	Ignore bool
}

// Select gives the full ids of a selection, each once, in the order asked for.
// What cannot be found is reported in the error while the rest is still given.
func (e *Engine) Select(sel Selection) ([]string, error) {
	var out []string
	var errs []error
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	refs := append([]string(nil), sel.Refs...)
	for _, path := range sel.CIDFiles {
		b, err := os.ReadFile(path)
		if err != nil {
			if !sel.Ignore || !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("cannot read the container ID file: %w", err))
			}
			continue
		}
		refs = append(refs, strings.TrimSpace(string(b)))
	}
	if sel.All || sel.Latest {
		ids, err := e.byAge()
		if err != nil {
			return nil, err
		}
		if sel.Latest && len(ids) == 0 {
			return nil, fmt.Errorf("no containers to choose the latest from: %w", state.ErrNotFound)
		}
		if sel.Latest {
			ids = ids[:1]
		}
		for _, id := range ids {
			add(id)
		}
	}
	for _, ref := range refs {
		id, err := e.Store.Find(ref)
		if err != nil {
			if !sel.Ignore || !errors.Is(err, state.ErrNotFound) {
				errs = append(errs, err)
			}
			continue
		}
		add(id)
	}
	return out, errors.Join(errs...)
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
