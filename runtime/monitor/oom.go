package monitor

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// oomWatch counts the OOM kills in a container's cgroups.
type oomWatch struct {
	files  []string
	before uint64 // kills before the container ran
	seen   uint64 // the highest count that was read
	fd     int    // inotify, -1 for none
	w      *watch
}

// watchOOM begins to count. On cgroup v2 the files are read whenever they
// change, because systemd removes a scope's cgroup, and its counters with it, as
// soon as the last process has ended. On v1 nothing tells of changes and nobody
// else removes the cgroup: there it is enough to read at the end.
func (m *monitor) watchOOM(files []string) {
	o := &oomWatch{files: files, fd: -1}
	o.before = o.count()
	o.seen = o.before
	m.oom = o
	for _, f := range files {
		if filepath.Base(f) != "memory.events" {
			continue
		}
		if o.fd < 0 {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
			if err != nil {
				return
			}
			o.fd = fd
			o.w, _ = m.loop.add(fd, unix.EPOLLIN, func(uint32) { o.changed() })
		}
		unix.InotifyAddWatch(o.fd, f, unix.IN_MODIFY)
	}
}

// changed takes the notices and looks at the counters.
func (o *oomWatch) changed() {
	var buf [512]byte
	for {
		if n, err := unix.Read(o.fd, buf[:]); n <= 0 || err != nil {
			break
		}
	}
	o.seen = max(o.seen, o.count())
}

// oomKilled reports whether the kernel killed for want of memory since the start,
// and ends the watch.
func (m *monitor) oomKilled() bool {
	o := m.oom
	m.oom = nil
	if o == nil {
		return false
	}
	if o.fd >= 0 {
		o.changed()
		m.loop.remove(o.w)
		unix.Close(o.fd)
	}
	return max(o.seen, o.count()) > o.before
}

func (o *oomWatch) count() (n uint64) {
	for _, f := range o.files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
				k, _ := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 64)
				n += k
			}
		}
	}
	return n
}
