// Package thread runs work on an operating system thread whose namespaces,
// working directory or credentials the work may change.
package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run calls f on a thread that nothing else uses meanwhile, and waits for it. f
// says whether the thread is as it was; otherwise the thread ends with the call.
//
// The thread is never the process's first one: that one cannot end, and others
// take its namespaces for those of the process.
func Run(f func() (restored bool)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			Run(f) // on another one, while this one is taken
			return
		}
		if f() {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}
