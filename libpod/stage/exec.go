package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"skiff/libpod"
	"skiff/runtime/hostfacts"
	"skiff/runtime/spec"
	"skiff/runtime/wire"
	"skiff/state"
)

// execute starts a further program in a running container and leaves it to the
// monitor, which becomes its parent when this process ends.
func execute(_ context.Context, e *libpod.Engine, id string) error {
	kind, payload, stray, err := wire.ReceiveFDs(monitorFD)
	for _, fd := range stray {
		unix.Close(fd)
	}
	if err != nil || kind != wire.KindRequest {
		return fmt.Errorf("cannot run the program: the monitor said nothing")
	}
	var x wire.Exec
	if err := json.Unmarshal(payload, &x); err != nil {
		return fmt.Errorf("cannot understand the monitor: %w", err)
	}
	var req libpod.ExecRequest
	if err := json.Unmarshal(x.Spec, &req); err != nil {
		return fmt.Errorf("cannot understand the request: %w", err)
	}
	if req.Files {
		return executeFiles(id)
	}
	box, o, err := furtherProgram(e, id, req)
	if err != nil {
		return err
	}
	o.Stdin, o.Stdout, o.Stderr = os.Stdin, os.Stdout, os.Stderr
	if x.Terminal {
		o.Stdin, o.Stdout, o.Stderr = nil, nil, nil
		o.ConsoleSocket = os.NewFile(consoleFD, "console")
		o.Rows, o.Cols = x.Size.Rows, x.Size.Cols
	}
	p, err := box.Exec(o)
	if err != nil {
		return err
	}
	return wire.SendFDs(monitorFD, wire.KindStage, wire.Stage{
		Version:  wire.Version,
		Pid:      p.Pid(),
		PidStart: p.PidStart(),
		Teardown: state.Teardown{},
	}, nil)
}

// execUser checks that the user is one of the container's user namespace.
func execUser(e *libpod.Engine, id string, u spec.User) (spec.User, error) {
	cfg, err := e.Store.Load(id)
	if err != nil {
		return u, err
	}
	if cfg.IDMaps != nil {
		return u.In(*cfg.IDMaps)
	}
	if cfg.OwnUserNS() {
		return u, nil // the kernel knows
	}
	host := hostfacts.New()
	return u.Mapped(host.MappedUIDs(), host.MappedGIDs())
}
