package monitor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"skiff/runtime/wire"
)

// A child that ends makes the monitor take what its stages have said, in the same
// turn in which the loop was told that a stage had said something. It must not
// wait then for more: a detached exec's stage may have nothing more to say before
// its program ends, and that may wait for the monitor to read its output.
func TestAFrameThatWasTakenIsNotWaitedFor(t *testing.T) {
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l.ep)
	m := &monitor{loop: l, chunk: make([]byte, wire.RightsSize)}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	reports := 0
	st := &stage{m: m, pid: -1, sock: pair[0], console: -1, reported: func() { reports++ }}
	turns := 0
	if _, err := l.add(child, unix.EPOLLIN, func(uint32) { turns++; st.catchUp() }); err != nil {
		t.Fatal(err)
	}
	if err := st.listen(); err != nil {
		t.Fatal(err)
	}
	if err := wire.SendFDs(pair[1], wire.KindStage, wire.Stage{Version: wire.Version, Pid: 1}, nil); err != nil {
		t.Fatal(err)
	}
	// Should the loop wait for a frame, this ends it.
	giveUp := time.AfterFunc(5*time.Second, func() { unix.Shutdown(pair[1], unix.SHUT_WR) })
	if err := l.turn(); err != nil {
		t.Fatal(err)
	}
	if !giveUp.Stop() {
		t.Error("the loop waited for a frame that had been taken")
	}
	if turns != 1 || reports != 1 {
		t.Errorf("%d children and %d reports in one turn, want 1 and 1", turns, reports)
	}
	unix.Close(pair[1])
	if err := l.turn(); err != nil {
		t.Fatal(err)
	}
	if st.sock >= 0 {
		t.Error("the end of a stage that closed its socket was not noticed")
	}
}
