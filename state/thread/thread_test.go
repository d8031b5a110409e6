package thread

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// first takes work for the first thread.
var first = make(chan func())

// TestMain holds the first thread, where goroutines come only when a test lets it
// go.
func TestMain(m *testing.M) {
	runtime.LockOSThread()
	code := make(chan int)
	go func() { code <- m.Run() }()
	for {
		select {
		case f := <-first:
			f()
		case c := <-code:
			os.Exit(c)
		}
	}
}

// exists reports whether the thread is one of this process's.
func exists(tid int) bool {
	_, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid))
	return err == nil
}

func TestAChangedThreadEnds(t *testing.T) {
	var tid int
	Run(func() bool {
		tid = unix.Gettid()
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			t.Error(err)
		}
		return false
	})
	for exists(tid) {
		runtime.Gosched() // the thread ends after the call
	}
}

func TestARestoredThreadStays(t *testing.T) {
	var tid int
	Run(func() bool { tid = unix.Gettid(); return true })
	if !exists(tid) {
		t.Errorf("thread %d ended", tid)
	}
}

// Whoever is on the first thread when it starts, the work is never there.
func TestNeverTheFirstThread(t *testing.T) {
	tids := make(chan int)
	first <- func() {
		// The goroutine that Run starts is the next that this thread takes as soon
		// as this one waits.
		runtime.UnlockOSThread()
		defer runtime.LockOSThread()
		for range 200 {
			tid := 0
			Run(func() bool { tid = unix.Gettid(); return true })
			if tid == unix.Getpid() {
				go func() { tids <- tid }()
				return
			}
		}
		go func() { tids <- 0 }()
	}
	if tid := <-tids; tid != 0 {
		t.Errorf("the work ran on the first thread, %d", tid)
	}
}
