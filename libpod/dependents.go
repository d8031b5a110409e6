package libpod

import (
	"context"
	"errors"
	"slices"

	"skiff/state"
)

// Dependents gives for each container that others need, by id, the ids of those
// others: the ones that share its namespaces and those that require it.
func (e *Engine) Dependents() (map[string][]string, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	needed := map[string][]string{}
	for _, id := range ids {
		cfg, err := e.Store.Load(id)
		if err != nil {
			continue // one that cannot be read shares nothing that could be found out
		}
		for _, other := range cfg.Dependencies() {
			if other != id && !slices.Contains(needed[other], id) {
				needed[other] = append(needed[other], id)
			}
		}
	}
	return needed, nil
}

// RemoveDependents removes the containers that need this one, and first those that
// need them, by force, and gives the ids of the removed. Podman: rm --depend.
func (e *Engine) RemoveDependents(ctx context.Context, ref string, opt RemoveOptions) ([]string, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	needed, err := e.Dependents()
	if err != nil {
		return nil, err
	}
	opt.Force, opt.Needed = true, nil
	var gone []string
	var errs []error
	for _, other := range order(needed, id) {
		switch err := e.Remove(ctx, other, opt); {
		case err == nil:
			gone = append(gone, other)
		case !errors.Is(err, state.ErrNotFound):
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}

// order lists all that need id, directly or not, those first that nobody else of
// them needs.
func order(needed map[string][]string, id string) []string {
	var list []string
	seen := map[string]bool{id: true}
	var visit func(string)
	visit = func(id string) {
		for _, other := range needed[id] {
			if !seen[other] {
				seen[other] = true
				visit(other)
				list = append(list, other)
			}
		}
	}
	visit(id)
	return list
}
