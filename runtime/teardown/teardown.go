// Package teardown carries out a state.Teardown: it undoes a container's start
// from the record alone, without knowing how the start was made. Every step may
// be repeated.
//
// Both the monitor (at the container's end) and the engine (after a monitor was
// killed) link it: standard library, x/sys and state only.
package teardown

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"skiff/state"
)

// Run kills what is left in the recorded cgroups and removes them, sends the
// recorded nfnetlink batches, and removes the recorded files and the directories
// that are empty then. It goes on after a failure and reports all of them.
//
// needEngine says that only skiff itself can finish the job: because the record
// asks for it, or because a step failed.
func Run(td state.Teardown) (needEngine bool, err error) {
	var errs []error
	errs = append(errs, emptyCgroups(td.Cgroups))
	for _, batch := range td.Netlink {
		errs = append(errs, sendBatch(batch))
	}
	for _, f := range td.Files {
		errs = append(errs, os.RemoveAll(f))
	}
	for _, d := range td.Dirs {
		if err := unix.Rmdir(d); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, &os.PathError{Op: "rmdir", Path: d, Err: err})
		}
	}
	err = errors.Join(errs...)
	return td.Engine || err != nil, err
}
