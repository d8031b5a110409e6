// skiff is a container engine in one file, without a daemon.
package main

import (
	"os"

	"skiff/cmd"
	"skiff/libpod"
	"skiff/libpod/stage"
	"skiff/runtime/sandbox"
)

func main() {
	// Inside a container this program is only libcontainer's first process: get
	// there before anything else is done.
	if sandbox.IsInit() {
		sandbox.Init()
	}
	if len(os.Args) > 1 && os.Args[1] == libpod.InternalCommand {
		os.Exit(stage.Main(os.Args[2:]))
	}
	if sandbox.Warm() {
		go libpod.WarmCodec()
	}
	os.Exit(cmd.Main(os.Args))
}
