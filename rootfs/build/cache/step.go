package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// keyDigits are how many digits of its key begin a step's id.
const keyDigits = 24

// Work is a step that is being done: an empty writable layer that nobody else
// knows. Commit or Discard ends it; one whose process died is swept away by the
// next build.
type Work struct {
	Upper, Work string

	cache *Cache
	dir   string
	begun time.Time
}

// Lookup gives the step with this key, if there is one, and counts as a use of
// it. What it gives stays until Close, even if another process prunes.
func (c *Cache) Lookup(key string) (*Layer, bool) {
	if !isKey(key) {
		return nil, false
	}
	for _, rec := range c.find(key) {
		if l, ok := c.take(rec.ID, key); ok {
			return l, true
		}
	}
	return nil, false
}

// find gives the records of the steps with a key, the newest first: of those
// that were done at the same time, or with --no-cache, there can be several.
func (c *Cache) find(key string) []Record {
	d, err := os.Open(c.Roots.BuildSteps())
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var found []Record
	for _, id := range names {
		if !strings.HasPrefix(id, key[:keyDigits]) {
			continue
		}
		if rec, ok := c.readRecord(id); ok && rec.Key == key {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return b.Created.Compare(a.Created) })
	return found
}

// readRecord reads the record of a step that counts.
func (c *Cache) readRecord(id string) (Record, bool) {
	var rec Record
	err := jsonfile.Read(filepath.Join(c.Roots.BuildSteps(), id, recordFile), &rec)
	ok := err == nil && rec.Version == RecordVersion && rec.ID == id && (rec.Synced || rec.Boot == c.boot)
	return rec, ok
}

// take makes a step the process's own until Close.
func (c *Cache) take(id, key string) (*Layer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := filepath.Join(c.Roots.BuildSteps(), id)
	if c.held[id] == nil {
		if _, err := os.Lstat(dir); err != nil {
			return nil, false
		}
		l, err := lock.Share(filepath.Join(dir, lockFile))
		if err != nil {
			return nil, false // somebody has removed it
		}
		c.held[id] = l
	}
	rec, ok := c.readRecord(id)
	if !ok || rec.Key != key {
		c.held[id].Release()
		delete(c.held, id)
		return nil, false
	}
	touch(filepath.Join(dir, lockFile))
	return &Layer{Record: rec, Dir: filepath.Join(dir, layerDir)}, true
}

// touch remembers that a step was used now.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// Begin makes room for a step.
func (c *Cache) Begin() (*Work, error) {
	c.mu.Lock()
	c.works++
	dir := filepath.Join(c.dir, strconv.Itoa(c.works))
	c.mu.Unlock()
	w := &Work{Upper: filepath.Join(dir, layerDir), Work: filepath.Join(dir, workDir), cache: c, dir: dir, begun: time.Now()}
	if err := makeDir(dir, 0o711); err != nil {
		return nil, fmt.Errorf("cannot make room for a step: %w", err)
	}
	if err := errors.Join(makeDir(w.Upper, 0o755), makeDir(w.Work, 0o700)); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("cannot make room for a step: %w", err)
	}
	return w, nil
}

// makeDir makes a directory with exactly this mode.
func makeDir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// Commit makes the work a step that others find by rec.Key. Of rec it takes Key,
// Renews, Title, Input, DiffID and ArchiveSize. Where another process has done the same
// step meanwhile, that one's is given and the own is gone.
//
// Preconditions:
//   - nothing is mounted on or with the work's directories
func (w *Work) Commit(rec Record) (*Layer, error) {
	l, err := w.commit(rec)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot keep the step: %w", err), w.Discard())
	}
	return l, nil
}

func (w *Work) commit(rec Record) (*Layer, error) {
	if !isKey(rec.Key) {
		return nil, fmt.Errorf("%q is no key of a step", rec.Key)
	}
	c := w.cache
	if err := removeTree(w.Work); err != nil {
		return nil, err
	}
	unmark(w.Upper)
	usage, _ := measure(w.Upper) // as far as it could be read
	var err error
	rec.Version, rec.Created, rec.Size, rec.Boot, rec.Synced = RecordVersion, time.Now().UTC(), usage.total, c.boot, false
	if rec.ID, err = newID(rec.Key); err != nil {
		return nil, err
	}
	if err := writeRecord(w.dir, &rec); err != nil {
		return nil, err
	}
	held, err := lock.Share(filepath.Join(w.dir, lockFile))
	if err != nil {
		return nil, err
	}
	l, err := w.publish(&rec, held)
	if err != nil || l.ID != rec.ID {
		held.Release()
	}
	return l, err
}

// publish gives the step its name, unless another one came first.
func (w *Work) publish(rec *Record, held *lock.Lock) (*Layer, error) {
	c := w.cache
	turn, err := lock.Take(filepath.Join(c.Roots.Builds(), lockFile))
	if err != nil {
		return nil, err
	}
	defer turn.Release()
	older := c.find(rec.Key)
	for _, other := range older {
		if !other.Created.After(w.begun) {
			continue
		}
		if l, ok := c.take(other.ID, rec.Key); ok {
			return l, w.Discard()
		}
	}
	dir := filepath.Join(c.Roots.BuildSteps(), rec.ID)
	if err := os.Rename(w.dir, dir); err != nil {
		return nil, err
	}
	l := &Layer{Record: *rec, Dir: filepath.Join(dir, layerDir)}
	c.mu.Lock()
	c.held[rec.ID], c.unsynced[rec.ID] = held, l
	c.mu.Unlock()
	for _, other := range older {
		_ = c.drop(other.ID) // in use, perhaps here: it goes when it is the least recently used
	}
	given := *l
	return &given, nil
}

// Discard removes the work. After Commit it does nothing.
func (w *Work) Discard() error {
	return removeTree(w.dir)
}

// Update writes a step's record again, for what was found out since: DiffID,
// ArchiveSize and Title.
func (c *Cache) Update(l *Layer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done := c.unsynced[l.ID]; done != nil {
		done.DiffID, done.ArchiveSize, done.Title = l.DiffID, l.ArchiveSize, l.Title
	}
	rec, ok := c.readRecord(l.ID)
	if !ok || rec.Key != l.Key {
		return fmt.Errorf("cannot update step %s: it is gone", l.ID)
	}
	rec.DiffID, rec.ArchiveSize, rec.Title = l.DiffID, l.ArchiveSize, l.Title
	return writeRecord(filepath.Dir(l.Dir), &rec)
}

func writeRecord(dir string, rec *Record) error {
	return jsonfile.Write(filepath.Join(dir, recordFile), rec, jsonfile.Volatile)
}

// newID gives an id that nobody has and that tells the key.
func newID(key string) (string, error) {
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return key[:keyDigits] + hex.EncodeToString(b), nil
}

// isKey reports whether s is 64 hexadecimal digits, which are a name without
// harm, too.
func isKey(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// unmark takes away what overlay remembers of where a layer's own directory was:
// the layer will be a lower one, above others.
func unmark(upper string) {
	for _, space := range []string{"trusted", "user"} {
		for _, mark := range []string{"origin", "impure", "uuid", "nlink"} {
			_ = unix.Lremovexattr(upper, space+".overlay."+mark)
		}
	}
}
