//go:build !amd64

package monitor

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// catchSignals has the signals counted on an eventfd, see termMark.
func catchSignals(fd int) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT)
	go func() {
		for s := range signals {
			if s == unix.SIGTERM {
				writeEvent(fd, termMark)
			} else {
				writeEvent(fd, 1)
			}
		}
	}()
	return nil
}
