// Package attach says how a caller takes part in a container's streams. The
// engine sees readers, writers and channels; what a terminal is and which keys
// leave it is known only to who made them (cmd/terminal).
package attach

import (
	"errors"
	"io"
	"syscall"

	"skiff/runtime/wire"
)

// ErrDetached is what Stdin's Read returns, after all bytes before them, when
// the user typed the detach keys. The verbs pass it on: the container goes on.
var ErrDetached = errors.New("detached from the container")

// Options are one caller's part. A nil stream is one that it does not take part in.
type Options struct {
	// Stdin, Stdout and Stderr are *os.File where they are the caller's own
	// descriptors and nothing is done to the bytes, so that the engine may hand
	// them on.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// TTY says that the container has a terminal, so Stderr stays silent.
	TTY bool
	// Size is the caller's terminal at first; zero if it has none.
	Size wire.Size
	// Begin is called once, right before bytes flow: it switches the caller's
	// terminal to raw mode and starts to fill the channels. Until then the
	// terminal is as it was, so an interrupted pull behaves. May be nil.
	Begin func() error
	// Sizes has the terminal's size after each change; nil without a terminal.
	Sizes <-chan wire.Size
	// Signals are to be sent to the container; nil without --sig-proxy.
	Signals <-chan syscall.Signal
}
