package events

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// watcher wakes a reader when something happens in the log's directory.
type watcher struct{ file *os.File }

func newWatcher(path string) (*watcher, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot wait for events: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot wait for events in %s: %w", dir, err)
	}
	return &watcher{os.NewFile(uintptr(fd), "inotify")}, nil
}

// wait waits until something happens, ctx ends, or it is until.
func (w *watcher) wait(ctx context.Context, until time.Time) {
	w.file.SetReadDeadline(until) // the zero time is no deadline
	stop := context.AfterFunc(ctx, func() { w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var notices [4096]byte
	w.file.Read(notices[:])
}

func (w *watcher) close() {
	if w != nil {
		w.file.Close()
	}
}
