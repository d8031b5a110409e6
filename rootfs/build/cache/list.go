package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/state/dirs"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// Kind is what an entry of the cache is. Docker: the types of builder prune.
type Kind string

// Kinds of entry.
const (
	KindStep  Kind = "regular"
	KindInput Kind = "source.local"
	KindMount Kind = "exec.cachemount"
)

// Entry is one thing that the cache holds.
type Entry struct {
	ID      string
	Kind    Kind
	Title   string
	Created time.Time
	Used    time.Time // last
	// Size is what its files take, and Shared how much of that stays if it goes,
	// since images have the same files. Shared is known after Measure only.
	Size, Shared int64
	// InUse says that a build works with it at the moment.
	InUse bool

	dir, lock string
	measured  bool
}

// List gives what the cache holds, the least recently used first. Of mounts the
// size is known after Measure only. It changes nothing and needs nothing but the directories.
func List(roots dirs.Roots) ([]Entry, error) {
	steps, err := listSteps(roots)
	if err != nil {
		return nil, err
	}
	mounts, err := listMounts(roots)
	if err != nil {
		return nil, err
	}
	all := append(steps, mounts...)
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Used.Compare(b.Used) })
	return all, nil
}

// List is List of the cache's roots.
func (c *Cache) List() ([]Entry, error) { return List(c.Roots) }

func readDir(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func listSteps(roots dirs.Roots) ([]Entry, error) {
	entries, err := readDir(roots.BuildSteps())
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, e := range entries {
		dir := filepath.Join(roots.BuildSteps(), e.Name())
		var rec Record
		if jsonfile.Read(filepath.Join(dir, recordFile), &rec) != nil || rec.ID != e.Name() {
			continue // on its way, or lost in a power cut: see forgetLost
		}
		entry := Entry{ID: rec.ID, Kind: KindStep, Title: rec.Title, Created: rec.Created, Used: rec.Created, Size: rec.Size, dir: filepath.Join(dir, layerDir), lock: filepath.Join(dir, lockFile)}
		if rec.Input {
			entry.Kind = KindInput
		}
		if st, err := os.Lstat(entry.lock); err == nil {
			entry.Used = st.ModTime()
		}
		entry.InUse = busy(entry.lock)
		list = append(list, entry)
	}
	return list, nil
}

func listMounts(roots dirs.Roots) ([]Entry, error) {
	entries, err := readDir(roots.BuildMounts())
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, e := range entries {
		m := Mount(roots, e.Name())
		var rec MountRecord
		if err := jsonfile.Read(m.Record(), &rec); err != nil {
			if st, serr := os.Lstat(string(m)); serr != nil || !st.IsDir() {
				continue
			} else { // half made, or half removed
				rec.Created, rec.Used = st.ModTime(), st.ModTime()
			}
		}
		list = append(list, Entry{
			ID: e.Name(), Kind: KindMount, Title: "RUN --mount=type=cache,id=" + rec.ID, Created: rec.Created, Used: rec.Used,
			InUse: busy(m.Lock()), dir: string(m), lock: m.Lock(),
		})
	}
	return list, nil
}

// busy reports whether somebody holds a lock.
func busy(path string) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	l, err := lock.Try(path)
	l.Release()
	return errors.Is(err, lock.ErrBusy)
}

// Measure reads the sizes of the entry's files.
func (e *Entry) Measure() {
	if e.measured {
		return
	}
	e.measured = true
	u, _ := measure(e.dir)
	e.Size, e.Shared = u.total, u.shared
}

// estimate is Measure for whoever only has to know roughly, after each build: a
// step's size is in its record, and a mount, which can have very many files, is
// measured once a day.
func (e *Entry) estimate() {
	if e.Kind != KindMount {
		return
	}
	file := MountDir(e.dir).size()
	if st, err := os.Lstat(file); err == nil && time.Since(st.ModTime()) < 24*time.Hour {
		if b, err := os.ReadFile(file); err == nil {
			if e.Size, err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
				return
			}
		}
	}
	e.Measure()
	_ = os.WriteFile(file, []byte(strconv.FormatInt(e.Size, 10)+"\n"), 0o600)
}

// matches reports whether an entry passes a filter of builder prune, except for
// those of time.
func (e *Entry) matches(key, value string) bool {
	switch key {
	case "id":
		return strings.HasPrefix(e.ID, value)
	case "type":
		return string(e.Kind) == value
	case "description":
		return strings.Contains(e.Title, value)
	case "inuse":
		return e.InUse
	case "shared":
		e.Measure()
		return e.Shared > 0
	case "private":
		e.Measure()
		return e.Shared == 0
	}
	return false
}
