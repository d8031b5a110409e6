package parse

import (
	"syscall"

	"skiff/libpod/signal"
)

// Signal reads a signal's name or number. Docker: --stop-signal, kill --signal.
func Signal(s string) (syscall.Signal, error) { return signal.Parse(s) }
