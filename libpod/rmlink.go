package libpod

import (
	"fmt"
	"slices"
	"strings"

	"skiff/state"
)

// RemoveLink takes away what a container knows another one by: ref is
// CONTAINER/ALIAS. A container that runs keeps the address until its end.
// Docker: rm --link.
func (e *Engine) RemoveLink(ref string) error {
	parent, alias, ok := strings.Cut(strings.Trim(ref, "/"), "/")
	if !ok {
		return fmt.Errorf("cannot remove link %q: want CONTAINER/ALIAS", ref)
	}
	id, err := e.Store.Find(parent)
	if err != nil {
		return err
	}
	return e.Store.Update(id, func(cfg *state.Config) error {
		links := cfg.Extra().Links
		i := slices.IndexFunc(links, func(l state.Link) bool { return l.Alias == alias })
		if i < 0 {
			return &state.MissingError{
				Text:  fmt.Sprintf("cannot remove link %q: container %s has no link of that name", ref, parent),
				Thing: "container", Ref: ref,
			}
		}
		cfg.Extras.Links = slices.Delete(links, i, i+1)
		return nil
	})
}
