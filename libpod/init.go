package libpod

import (
	"context"
	"errors"
	"fmt"

	"skiff/runtime/monitorclient"
	"skiff/runtime/wire"
	"skiff/state"
)

// Initialize prepares a container up to the point where its program would begin:
// namespaces, mounts, network. Start lets it begin, Stop undoes it. Podman:
// container init.
func (e *Engine) Initialize(ctx context.Context, ref string) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	shown := e.hide(id)
	session, err := e.launch(ctx, id, launchOptions{hold: true})
	if shown {
		e.warnOf(e.show(ctx, id))
	}
	if errors.Is(err, ErrRunning) {
		return fmt.Errorf("cannot initialize container %s: it is initialized or runs already: %w", ref, errImproperState)
	}
	if err != nil {
		return err
	}
	return session.Close()
}

// begin is launch, or lets the program of a container begin that is initialized.
func (e *Engine) begin(ctx context.Context, id string, opt launchOptions) (*monitorclient.Session, error) {
	if live, err := e.Store.Status(id); err != nil || live.Phase != state.Initialized {
		return e.launch(ctx, id, opt)
	}
	session, err := e.letBegin(id, opt)
	if errors.Is(err, state.ErrNotFound) {
		return e.launch(ctx, id, opt) // it was stopped in between
	}
	return session, err
}

func (e *Engine) letBegin(id string, opt launchOptions) (*monitorclient.Session, error) {
	l, err := e.Store.Lock(id)
	if err != nil {
		return nil, err
	}
	defer l.Release()
	cfg, err := e.Store.Load(id)
	if err != nil {
		return nil, err
	}
	live, err := e.Store.Status(id)
	if err != nil {
		return nil, err
	}
	if live.Phase.Up() {
		return nil, ErrRunning
	}
	conn, err := monitorclient.Dial(e.Roots.Container(id))
	if err != nil {
		return nil, err
	}
	if err := e.desire(cfg, state.DesiredRunning); err != nil {
		conn.Close()
		return nil, err
	}
	session, err := conn.Start(opt.attach)
	if err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", cfg.Name, err)
	}
	if opt.size != (wire.Size{}) {
		session.Resize(opt.size)
	}
	return session, nil
}
