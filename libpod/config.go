package libpod

import "skiff/state"

// Config is what was asked of a container, found by name, id or prefix.
func (e *Engine) Config(ref string) (*state.Config, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	return e.Store.Load(id)
}
