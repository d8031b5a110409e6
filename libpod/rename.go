package libpod

import (
	"context"
	"fmt"

	"skiff/netsetup"
	"skiff/state"
	"skiff/state/cleanup"
	"skiff/state/event"
)

// Rename gives a container another name, by which others of its networks find it at
// once.
func (e *Engine) Rename(ctx context.Context, ref, name string) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	old, err := e.rename(id, name)
	if err != nil {
		return fmt.Errorf("cannot rename container: %w", err)
	}
	e.noteID(id, event.Rename, "oldName", old)
	return e.tellMonitor(id, func(m monitor) error { return m.Update(nil, name) })
}

func (e *Engine) rename(id, name string) (old string, err error) {
	l, err := e.Store.Lock(id)
	if err != nil {
		return "", err
	}
	defer l.Release()
	cfg, err := e.Store.Load(id)
	if err != nil {
		return "", err
	}
	live, err := e.Store.Status(id)
	if err != nil {
		return "", err
	}
	if cfg.Name == name {
		return "", state.Errorf(state.ErrExists, "that is its name")
	}
	var undo cleanup.Stack
	defer undo.UnlessDone(&err)
	save := func(name string) error {
		return e.Store.UpdateLocked(id, func(c *state.Config) error { c.Name = name; return nil })
	}
	if err := save(name); err != nil {
		return "", err
	}
	undo.Push(func() error { return save(cfg.Name) })
	if live.Phase != state.Running && live.Phase != state.Paused {
		return cfg.Name, nil
	}
	st := live.Status
	change := e.Networks().ChangeName(netsetup.ChangeRequest{
		ID: id, Name: cfg.Name, Network: cfg.Network, Status: st.Network, Teardown: st.Teardown,
	}, name)
	if change.Empty() {
		return cfg.Name, nil
	}
	names, err := e.beginLive(&liveNetwork{id: id, st: st, change: change})
	if err != nil {
		return "", err
	}
	defer change.Close()
	undo.Push(names.revert)
	return cfg.Name, names.commit()
}
