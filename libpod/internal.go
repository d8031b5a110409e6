package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"

	"skiff/rootfs/layer"
	"skiff/runtime/rootless"
	"skiff/state"
	"skiff/state/event"
	"skiff/state/jsonfile"
)

// inUserNamespace runs one of skiff's internal commands as root of the calling
// user's user namespace and waits for it.
func (e *Engine) inUserNamespace(ctx context.Context, name, id string) error {
	return e.outputOf(ctx, name, id, nil)
}

// outputOf is inUserNamespace with an open file for what the command prints.
func (e *Engine) outputOf(ctx context.Context, name, id string, out *os.File) error {
	argv, err := e.command()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if out == nil {
		out = null
	}
	p, err := rootless.Start(append(argv, name, id), os.Environ(), []*os.File{null, out, os.Stderr}, rootless.Options{})
	if err != nil {
		return err
	}
	defer p.PidFD.Close()
	st, err := p.Wait()
	if err != nil {
		return err
	}
	if !st.Success() {
		return fmt.Errorf("cannot %s %s in the user namespace: %s", name, id, st)
	}
	return nil
}

// TakeDownLost undoes the start of a container from its status file, whatever
// is left of it. Internal command teardown.
func (e *Engine) TakeDownLost(id string) error {
	c := e.Roots.Container(id)
	var st state.Status
	if err := jsonfile.Read(c.Status(), &st); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if st.BootID != e.Store.BootID {
		st = state.Status{}
	}
	st.Teardown.Engine = true
	return e.TakeDown(id, st)
}

// RemoveFiles takes a container's files away. Internal command remove: the
// caller holds the container's lock in another process.
func (e *Engine) RemoveFiles(id string) error {
	cfg, err := e.Store.Load(id)
	if err != nil {
		return err
	}
	return e.Store.Remove(cfg)
}

// removeRecord takes a container away that has no monitor; the caller holds
// its lock. volumes says whether its anonymous volumes go with it.
func (e *Engine) removeRecord(ctx context.Context, cfg *state.Config, volumes bool) error {
	if err := layer.Unmount(e.Roots.ContainerMount(cfg.ID), true); err != nil {
		return err
	}
	var err error
	if e.Rootless() {
		err = e.inUserNamespace(ctx, InternalRemove, cfg.ID)
	} else {
		err = e.Store.Remove(cfg)
	}
	if err != nil {
		return err
	}
	e.noteContainer(cfg, event.Remove)
	if cfg.CIDFile != "" && cfg.AutoRemove {
		os.Remove(cfg.CIDFile)
	}
	if !volumes {
		return nil
	}
	var errs []error
	for _, m := range cfg.Mounts {
		if m.Type == state.MountVolume && m.Anonymous {
			errs = append(errs, e.discardVolume(ctx, m.Source))
		}
	}
	return errors.Join(errs...)
}
