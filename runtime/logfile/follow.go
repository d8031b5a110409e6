package logfile

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// followPoll is how often a follower looks whether the container still runs;
// new output wakes it at once.
const followPoll = 100 * time.Millisecond

// follow reads on as the log grows and is rotated. files are the open ones,
// oldest first; it leaves in them what the caller is to close.
func (r *reader) follow(files *[]*os.File, w *watcher) error {
	if n := len(*files); n > 1 {
		closeAll((*files)[:n-1])
		*files = (*files)[n-1:]
	}
	for {
		running := r.o.Running == nil || r.o.Running()
		moved, err := r.step(files)
		if err != nil {
			return err
		}
		switch {
		case moved:
		case !running:
			return nil
		case !r.o.Until.IsZero() && time.Now().After(r.o.Until):
			return nil
		default:
			w.wait(followPoll)
		}
	}
}

// step reads the present file to its end and reports whether it went on to a
// newer one.
func (r *reader) step(files *[]*os.File) (moved bool, err error) {
	var present *os.File
	if len(*files) > 0 {
		present = (*files)[0]
		if err := r.readOn(present); err != nil {
			return false, err
		}
		if isFile(r.path, present) {
			return false, nil
		}
		// It was moved aside, so its writer has gone on: what it holds now is all.
		if err := r.readOn(present); err != nil {
			return false, err
		}
	}
	all, err := openAll(r.path)
	if err != nil || len(all) == 0 {
		return false, err
	}
	newer := all
	for i, f := range all {
		if present != nil && sameFile(f, present) {
			closeAll(all[:i+1])
			newer = all[i+1:]
		}
	}
	if len(newer) == 0 {
		return false, nil
	}
	r.rest = r.rest[:0]
	closeAll(*files)
	*files = newer
	if err := r.readAll(newer); err != nil {
		return false, err
	}
	closeAll(newer[:len(newer)-1])
	*files = newer[len(newer)-1:]
	return true, nil
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

// watcher wakes a follower when something is written in the log's directory.
type watcher struct{ fd int }

func newWatcher(path string) *watcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &watcher{fd: -1}
	}
	mask := uint32(unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), mask); err != nil {
		unix.Close(fd)
		return &watcher{fd: -1}
	}
	return &watcher{fd: fd}
}

// wait waits until something happens, at most d.
func (w *watcher) wait(d time.Duration) {
	if w.fd < 0 {
		time.Sleep(min(d, 20*time.Millisecond))
		return
	}
	unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(d/time.Millisecond))
	var events [4096]byte
	for {
		if n, err := unix.Read(w.fd, events[:]); n <= 0 || err != nil {
			return
		}
	}
}

func (w *watcher) close() {
	if w != nil && w.fd >= 0 {
		unix.Close(w.fd)
	}
}
