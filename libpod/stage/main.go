// Package stage is what skiff does for the monitor and for itself in processes
// of their own: the start stage turns a stored config into a running container,
// the exec stage adds a program to one, the health stage carries out a health check,
// and teardown and remove do what only root in a container's user namespace may do.
//
// Not here: deciding when, which is libpod's, and waiting for containers, which is
// the monitor's.
package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"skiff/libpod"
	"skiff/libpod/settings"
	"skiff/runtime/sandbox"
	"skiff/runtime/wire"
	"skiff/state"
)

// monitorFD is the unix stream socket to the monitor, consoleFD, in an exec
// stage, the socket on which libcontainer sends the terminal.
const (
	monitorFD = 3
	consoleFD = 4
)

// Main runs one internal command: options as JSON, name, container id. It
// gives the exit status.
func Main(args []string) int {
	if len(args) != 3 {
		fmt.Fprintln(os.Stderr, "Error: skiff's internal commands are not for people")
		return 125
	}
	sandbox.Warm()
	if args[1] == libpod.InternalStart {
		go warmCodec()
	}
	var opt libpod.Options
	if err := json.Unmarshal([]byte(args[0]), &opt); err != nil {
		fmt.Fprintf(os.Stderr, "Error: cannot read the options of an internal command: %v\n", err)
		return 125
	}
	engine, err := libpod.Open(opt, settings.Settings{})
	if err != nil {
		return report(err)
	}
	ctx, id := context.Background(), args[2]
	switch args[1] {
	case libpod.InternalStart:
		return toMonitor(start(ctx, engine, id))
	case libpod.InternalExec:
		return toMonitor(execute(ctx, engine, id))
	case libpod.InternalHealth:
		return check(engine)
	case libpod.InternalTeardown:
		return report(engine.TakeDownLost(id))
	case libpod.InternalRemove:
		return report(engine.RemoveFiles(id))
	case libpod.InternalFiles:
		return report(serveFiles(ctx, engine, id))
	case libpod.InternalRemoveImage:
		return report(engine.RemoveImage(ctx, id))
	case libpod.InternalPruneShifted:
		return report(engine.PruneShiftedFiles())
	case libpod.InternalReloadNetworks:
		return report(engine.NetworkReload())
	case libpod.InternalPruneBuilds:
		return report(engine.PruneBuildFiles(id, os.Stdout))
	case libpod.InternalRemoveVolume:
		return report(engine.RemoveVolumeFiles(id))
	}
	return report(fmt.Errorf("cannot run the internal command %q", args[1]))
}

// warmCodec has encoding/json learn the types of a start while this process
// waits for the record that it is to read.
func warmCodec() {
	json.Unmarshal([]byte("{}"), new(state.Config))
	json.Unmarshal([]byte("{}"), new(state.Image))
	sandbox.WarmCodec()
	json.Marshal(wire.Stage{})
}

func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "Error: %v\n", err)
	return 125
}

// toMonitor reports a stage's failure where it belongs: on the socket.
func toMonitor(err error) int {
	if err == nil || errors.Is(err, errNotBegun) {
		return 0
	}
	f := wire.Failure{Message: err.Error(), Code: 125}
	switch {
	case errors.Is(err, sandbox.ErrNotExecutable):
		f.Code = 126
	case errors.Is(err, sandbox.ErrRuntimeFlag):
		f.Code, f.Flags = 126, true
	case errors.Is(err, sandbox.ErrNotFound):
		f.Code = 127
	}
	if wire.SendFDs(monitorFD, wire.KindFailed, f, nil) != nil {
		return report(err)
	}
	return f.Code
}
