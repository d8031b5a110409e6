// Package terminal is the caller's side of an attached container: raw mode,
// window sizes, the keys that detach, and signals that are passed on.
//
// The engine sees none of it: a Session gives it readers, writers and channels
// (libpod/attach).
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"skiff/libpod/attach"
	"skiff/runtime/wire"
)

// Request says what the caller wants of a Session.
type Request struct {
	// In, Out and Err are the caller's streams; nil for those that are not attached.
	In       *os.File
	Out, Err io.Writer
	// TTY says that the container has a terminal.
	TTY bool
	// DetachKeys are the bytes that detach; none: nothing does. They count only
	// with a terminal.
	DetachKeys []byte
	// SigProxy passes the caller's signals on to the container.
	SigProxy bool
}

// Session is one attachment. Close ends it and gives the terminal back as it was.
type Session struct {
	req     Request
	sizes   chan wire.Size
	signals chan syscall.Signal
	stop    chan struct{}
	caught  chan os.Signal // to be passed on
	ready   chan struct{}  // closed when prepare has ended

	mu    sync.Mutex
	begun bool
	saved *term.State
	ended bool
}

// ErrNotTerminal: a container's terminal needs one of the caller's.
var ErrNotTerminal = errors.New("the input device is not a TTY")

// New makes a session; nothing happens to the terminal before Options().Begin
// is called.
func New(req Request) *Session {
	s := &Session{
		req:     req,
		sizes:   make(chan wire.Size, 1),
		signals: make(chan syscall.Signal, 16),
		stop:    make(chan struct{}),
		caught:  make(chan os.Signal, 64),
		ready:   make(chan struct{}),
	}
	if req.SigProxy {
		go s.prepare()
	}
	return s
}

// prepare has all signals caught but those that end a command, which do so
// until the container runs. To catch forty takes Go some three milliseconds:
// they are better spent while the container is being made than when it runs.
func (s *Session) prepare() {
	defer close(s.ready)
	signal.Notify(s.caught, proxied(false)...)
}

// Options is the session as the engine sees it.
func (s *Session) Options() attach.Options {
	o := attach.Options{TTY: s.req.TTY, Begin: s.begin}
	if s.req.In != nil {
		o.Stdin = s.req.In
		if s.req.TTY {
			o.Stdin = NewScanner(s.req.In, s.req.DetachKeys)
		}
	}
	if s.req.Out != nil {
		o.Stdout = s.req.Out
	}
	if s.req.Err != nil {
		o.Stderr = s.req.Err
	}
	if f := s.screen(); f != nil && s.req.TTY {
		o.Size, _ = size(f)
		o.Sizes = s.sizes
	}
	if s.req.SigProxy {
		o.Signals = s.signals
	}
	return o
}

// screen is the caller's terminal, found by its output or else its input.
func (s *Session) screen() *os.File {
	if f, ok := s.req.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	if s.req.In != nil && term.IsTerminal(int(s.req.In.Fd())) {
		return s.req.In
	}
	return nil
}

func size(f *os.File) (wire.Size, bool) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Row == 0 && ws.Col == 0 {
		return wire.Size{}, false
	}
	return wire.Size{Rows: ws.Row, Cols: ws.Col}, true
}

// begin switches to raw mode and starts to watch for sizes and signals.
func (s *Session) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.ended {
		return nil
	}
	s.begun = true
	if s.req.TTY && s.req.In != nil && term.IsTerminal(int(s.req.In.Fd())) {
		saved, err := term.MakeRaw(int(s.req.In.Fd()))
		if err != nil {
			return fmt.Errorf("cannot switch the terminal to raw mode: %w", err)
		}
		s.saved = saved
		if !s.req.SigProxy {
			s.restoreWhenKilled()
		}
	}
	if f := s.screen(); f != nil && s.req.TTY {
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, unix.SIGWINCH)
		s.watch(ch, func(os.Signal) { s.resized(f) })
		s.resized(f) // it may have changed since Options was called
	}
	if s.req.SigProxy {
		<-s.ready
		signal.Notify(s.caught, proxied(true)...)
		s.watch(s.caught, func(sig os.Signal) {
			select {
			case s.signals <- sig.(syscall.Signal):
			case <-s.stop:
			}
		})
	}
	return nil
}

// restoreWhenKilled gives the terminal back before a signal ends this command.
// Where signals are passed on, none of these does.
func (s *Session) restoreWhenKilled() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	go func() {
		sig := <-ch
		s.Close() // nobody is left to tell of an error
		Raise(sig.(syscall.Signal))
	}()
}

// watch hands what arrives in ch to use until the session ends.
//
// Afterwards it gives each signal that comes its usual meaning back, and has it
// come again. signal.Stop would do that for all of them beforehand, for the
// price of two thread switches each: for some forty, six milliseconds at the end
// of a command that is about to exit.
func (s *Session) watch(ch chan os.Signal, use func(os.Signal)) {
	go func() {
		for {
			select {
			case sig := <-ch:
				s.pass(sig.(syscall.Signal), use)
			case <-s.stop:
				for sig := range ch {
					Raise(sig.(syscall.Signal))
				}
			}
		}
	}()
}

// pass hands a signal to use, or lets it have its usual meaning after the end.
func (s *Session) pass(sig syscall.Signal, use func(os.Signal)) {
	select {
	case <-s.stop:
		Raise(sig)
	default:
		use(sig)
	}
}

// Raise gives a signal its usual meaning and sends it to this process anew.
func Raise(sig syscall.Signal) {
	signal.Reset(sig)
	if fd, err := unix.PidfdOpen(unix.Getpid(), 0); err == nil {
		unix.PidfdSendSignal(fd, sig, nil, 0)
		unix.Close(fd)
	}
}

// resized puts the present size into the channel in place of one that nobody
// has taken yet: only the last one matters.
func (s *Session) resized(f *os.File) {
	now, ok := size(f)
	if !ok {
		return
	}
	for {
		select {
		case s.sizes <- now:
			return
		default:
		}
		select {
		case <-s.sizes:
		default:
		}
	}
}

// proxied are the signals that --sig-proxy passes on: all that can be caught,
// but those that are about this process itself (its children, terminal, pipes)
// and the one by which Go's scheduler interrupts goroutines. They are those that
// usually end a command, or the others.
func proxied(ending bool) []os.Signal {
	var out []os.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGPIPE, unix.SIGWINCH, unix.SIGURG,
			unix.SIGTTIN, unix.SIGTTOU, unix.SIGTSTP, unix.SIGCONT, 32, 33,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGSYS, unix.SIGPROF:
			continue
		}
		switch n {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			if ending {
				out = append(out, n)
			}
		default:
			if !ending {
				out = append(out, n)
			}
		}
	}
	return out
}

// Close gives the terminal back. It may be called more than once.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	close(s.stop)
	if s.saved == nil {
		return nil
	}
	if err := term.Restore(int(s.req.In.Fd()), s.saved); err != nil {
		return fmt.Errorf("cannot restore the terminal: %w", err)
	}
	return nil
}
