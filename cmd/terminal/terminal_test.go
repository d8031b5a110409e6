package terminal

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"skiff/libpod/attach"
	"skiff/runtime/wire"
)

// limit bounds every wait of these tests.
const limit = 10 * time.Second

func openPty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}

func flags(t *testing.T, f *os.File) uint32 {
	t.Helper()
	tio, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return tio.Lflag
}

func TestSessionOnATerminal(t *testing.T) {
	master, slave := openPty(t)
	if err := pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 90}); err != nil {
		t.Fatal(err)
	}
	s := New(Request{In: slave, Out: slave, TTY: true, DetachKeys: []byte{16, 17}, SigProxy: true})
	o := s.Options()
	if o.Size != (wire.Size{Rows: 30, Cols: 90}) {
		t.Errorf("size %+v, want 30 rows of 90", o.Size)
	}
	before := flags(t, slave)
	if before&unix.ICANON == 0 {
		t.Fatal("the test's terminal is raw from the start")
	}
	if err := o.Begin(); err != nil {
		t.Fatal(err)
	}
	if flags(t, slave)&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Error("the terminal is not raw after Begin")
	}
	<-o.Sizes // the first one, which may have changed since Options
	if err := pty.Setsize(master, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	// The test's terminal is not the process's own, so the kernel tells us nothing.
	syscall.Kill(os.Getpid(), unix.SIGWINCH)
	select {
	case got := <-o.Sizes:
		if got != (wire.Size{Rows: 40, Cols: 100}) {
			t.Errorf("new size %+v, want 40 rows of 100", got)
		}
	case <-time.After(limit):
		t.Error("the new size did not arrive")
	}
	syscall.Kill(os.Getpid(), unix.SIGUSR1)
	select {
	case got := <-o.Signals:
		if got != unix.SIGUSR1 {
			t.Errorf("signal %v, want SIGUSR1", got)
		}
	case <-time.After(limit):
		t.Error("the signal did not arrive")
	}
	if _, err := master.Write([]byte("hi\x10\x11")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(o.Stdin)
	if string(got) != "hi" || !errors.Is(err, attach.ErrDetached) {
		t.Errorf("input %q, %v; want hi and then detached", got, err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := flags(t, slave); after != before {
		t.Errorf("the terminal's flags are %x after Close, want %x", after, before)
	}
}

func TestSessionWithoutATerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := New(Request{In: r, Out: w, Err: w, DetachKeys: []byte{16}})
	defer s.Close()
	o := s.Options()
	if o.Stdin != io.Reader(r) || o.Stdout != io.Writer(w) || o.Stderr != io.Writer(w) {
		t.Error("streams without a terminal are not handed on as they are")
	}
	if o.Sizes != nil || o.Signals != nil || o.Size != (wire.Size{}) {
		t.Error("there are sizes or signals that nobody asked for")
	}
	if err := o.Begin(); err != nil {
		t.Error(err)
	}
	if o := New(Request{}).Options(); o.Stdin != nil || o.Stdout != nil || o.Stderr != nil {
		t.Error("streams that are not attached are not nil")
	}
}
