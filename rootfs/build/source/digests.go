package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
)

// Digests remembers the sums of file contents across builds by a file's device,
// inode, size and times of change, so that an unchanged context is not read
// again. Several goroutines may use it; nil remembers nothing.
type Digests struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	table table
	used  []bool // of the table's records
	// fresh are those that this build has made or is making.
	fresh map[fileID]*making
	// worthwhile says that Save has something to write.
	worthwhile bool
}

// fileID is which file it is, and identity which state of it.
type fileID struct{ dev, ino uint64 }

type identity struct {
	fileID
	size, mtime, ctime uint64
}

func identify(st *unix.Stat_t) identity {
	return identity{fileID{uint64(st.Dev), st.Ino}, uint64(st.Size),
		uint64(unix.TimespecToNsec(st.Mtim)), uint64(unix.TimespecToNsec(st.Ctim))}
}

// making is a sum that is there when done is closed.
type making struct {
	id     identity
	done   chan struct{}
	sum    sum
	err    error
	recent bool // not to be remembered beyond this build
}

const (
	// settled is the age from which the times of a file can be trusted: a later
	// change gives it others, however coarse the clock of the file system.
	settled = 2 * time.Second
	day     = 24 * time.Hour
	// renewed is the age from which the day of last use is written anew, dropped
	// that at which a sum is forgotten.
	renewed, dropped = 7, 30
)

// OpenDigests reads what earlier builds remembered in the file, if it is there
// and sound: what is lost is only time.
func OpenDigests(path string) *Digests {
	d := &Digests{path: path, now: time.Now, fresh: map[fileID]*making{}}
	d.table = readTable(path)
	d.used = make([]bool, d.table.len())
	return d
}

// ContextDigests reads what earlier builds remembered of the context at the
// absolute path dir.
func ContextDigests(roots dirs.Roots, dir string) *Digests {
	os.MkdirAll(roots.BuildContexts(), 0o700) // where it fails, so does Save
	key := sha256.Sum256([]byte(dir))
	return OpenDigests(roots.BuildContext(hex.EncodeToString(key[:16])))
}

// lookup gives the sum of a file that has not changed since it was known.
func (d *Digests) lookup(st *unix.Stat_t) (sum, bool) {
	if d == nil {
		return sum{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := identify(st)
	if i, ok := d.table.find(id); ok {
		d.used[i] = true
		if d.today()-d.table.day(i) >= renewed {
			d.worthwhile = true
		}
		return d.table.sum(i), true
	}
	if m := d.fresh[id.fileID]; m != nil && m.id == id {
		select {
		case <-m.done:
			return m.sum, m.err == nil
		default:
		}
	}
	return sum{}, false
}

func (d *Digests) today() uint32 { return uint32(d.now().Unix() / int64(day/time.Second)) }

// content gives the sum of an open file, whose st was read before it was opened.
// Each file is read once, whoever asks. owned is that of its tree.
func (d *Digests) content(file *os.File, st *unix.Stat_t, owned bool, buf []byte) (sum, error) {
	if d == nil || owned {
		return hashFile(file, st, owned, buf)
	}
	id := identify(st)
	d.mu.Lock()
	if m := d.fresh[id.fileID]; m != nil && m.id == id {
		d.mu.Unlock()
		<-m.done
		return m.sum, m.err
	}
	m := &making{id: id, done: make(chan struct{})}
	d.fresh[id.fileID] = m
	d.mu.Unlock()

	begun := d.now()
	m.sum, m.err = hashFile(file, st, false, buf)
	latest := max(unix.TimespecToNsec(st.Mtim), unix.TimespecToNsec(st.Ctim))
	var after unix.Stat_t
	m.recent = begun.UnixNano()-latest < int64(settled) ||
		unix.Fstat(int(file.Fd()), &after) != nil || identify(&after) != id
	d.mu.Lock()
	if m.err != nil && d.fresh[id.fileID] == m {
		delete(d.fresh, id.fileID)
	} else if !m.recent {
		d.worthwhile = true
	}
	close(m.done)
	d.mu.Unlock()
	return m.sum, m.err
}

// Unchanged reports whether a file is still the one that was read for a digest.
// What nobody has read counts as unchanged.
func (d *Digests) Unchanged(st *unix.Stat_t) bool {
	if d == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := identify(st)
	if m := d.fresh[id.fileID]; m != nil {
		return m.id == id
	}
	i, ok := d.table.at(id.fileID)
	return !ok || !d.used[i] || d.table.identity(i) == id
}

// Save writes down what was learned, together with what other builds wrote
// meanwhile. Sums that no build has asked for in a month are forgotten.
func (d *Digests) Save() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.worthwhile {
		return nil
	}
	d.worthwhile = false
	all := d.merge(readTable(d.path))
	err := writeTable(d.path, all)
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody has removed the cache
	}
	return err
}
