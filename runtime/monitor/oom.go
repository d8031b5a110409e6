package monitor

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// oomWatch counts the OOM kills in a container's cgroups.
//
// On cgroup v1 nobody else removes the cgroup, and it is enough to read the
// counters at the end. On v2 systemd removes a scope's cgroup as soon as the last
// process has ended, often before the monitor hears of that. So the counters are
// read whenever they change; and if the cgroup went away right after a change
// the parent's counters, which sum up those below it, tell what it was.
type oomWatch struct {
	files  []string
	before uint64 // kills before the container ran
	seen   uint64 // the highest count that was read
	fd     int    // inotify, -1 for none
	w      *watch

	parents []string  // the files of the cgroups above, on v2
	above   uint64    // their count when the container's own was last read
	changed time.Time // when a change of the container's own was last read
	missed  bool      // one came too late to be read
}

// lastGasp is how long before the end the change may have been that was the
// kill: the kernel reports changes at most every 10 ms, and machines are slow.
const lastGasp = time.Second

// watchOOM begins to count.
func (m *monitor) watchOOM(files []string) {
	o := &oomWatch{files: files, fd: -1}
	o.before, _ = killsIn(files)
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
			o.w, _ = m.loop.add(fd, unix.EPOLLIN, func(uint32) { o.look() })
		}
		unix.InotifyAddWatch(o.fd, f, unix.IN_MODIFY)
		o.parents = append(o.parents, filepath.Join(filepath.Dir(filepath.Dir(f)), "memory.events"))
	}
	o.above, _ = killsIn(o.parents)
}

// look takes the notices and reads the counters. there says that they are.
func (o *oomWatch) look() (there bool) {
	changed := o.fd >= 0 && o.notices()
	above, _ := killsIn(o.parents) // before the own: no kill may be in neither count
	n, there := killsIn(o.files)
	o.seen = max(o.seen, n)
	if !there {
		o.missed = o.missed || changed
		return false
	}
	o.above = above
	if changed {
		o.changed = time.Now()
	}
	return true
}

// notices reports whether the kernel told of a change.
func (o *oomWatch) notices() (changed bool) {
	var buf [512]byte
	for {
		n, err := unix.Read(o.fd, buf[:])
		if n <= 0 || err != nil {
			return changed
		}
		for p := buf[:n]; len(p) >= unix.SizeofInotifyEvent; {
			changed = changed || binary.NativeEndian.Uint32(p[4:])&unix.IN_MODIFY != 0
			p = p[unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(p[12:])):]
		}
	}
}

// oomKilled reports whether the kernel killed for want of memory since the start,
// and ends the watch. killed says that the first process ended by SIGKILL.
//
// Where every change came too late to be read it was most likely the kill, of a
// child perhaps. It may have been a limit reached in the last moment, while
// another container below the same parent was killed at some time since the start.
func (m *monitor) oomKilled(killed bool) bool {
	o := m.oom
	m.oom = nil
	if o == nil {
		return false
	}
	there := o.look()
	if o.fd >= 0 {
		m.loop.remove(o.w)
		unix.Close(o.fd)
	}
	if o.seen > o.before {
		return true
	}
	late := o.missed && (killed || o.changed.IsZero())
	if there || !late && time.Since(o.changed) > lastGasp {
		return false
	}
	now, _ := killsIn(o.parents)
	return now > o.above
}

// killsIn adds up the kills that the files count. all says that every file was
// read.
func killsIn(files []string) (n uint64, all bool) {
	all = true
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			all = false
			continue
		}
		for line := range bytes.Lines(b) {
			if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
				k, _ := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 64)
				n += k
			}
		}
	}
	return n, all
}
