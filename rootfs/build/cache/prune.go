package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"skiff/rootfs/safepath"
	"skiff/state/dirs"
	"skiff/state/lock"
)

// Filter says what Prune removes. The zero value is everything that nobody uses
// and that images have no part of.
type Filter struct {
	// All takes also what images have the same files of: that frees the rest only.
	All bool
	// Unused takes only what nobody has used for that long.
	Unused time.Duration
	// Space stops as soon as what is left is within it; the zero value removes all.
	Space
	// Match are further filters, all of which have to pass.
	Match []Match
}

// Match is one word of --filter.
type Match struct {
	Key, Value string
	Not        bool
}

// NewMatch reads a filter that is about no time: id, type, description, inuse,
// shared, private, and with != for =, their opposites.
func NewMatch(key, value string, not bool) (Match, error) {
	switch key {
	case "id", "description":
	case "type":
		if !slices.Contains([]Kind{KindStep, KindInput, KindMount}, Kind(value)) {
			return Match{}, fmt.Errorf("unknown type %q of build cache: use %s, %s or %s", value, KindStep, KindInput, KindMount)
		}
	case "inuse", "shared", "private":
		if value != "" {
			yes, err := strconv.ParseBool(value)
			if err != nil {
				return Match{}, fmt.Errorf("%s=%s is neither true nor false", key, value)
			}
			not = not == yes
		}
	default:
		return Match{}, fmt.Errorf("unknown filter %q of the build cache: use until, unused-for, id, type, description, inuse, shared or private", key)
	}
	return Match{key, value, not}, nil
}

// Freed is what Prune has removed.
type Freed struct {
	Entries []Entry
	Bytes   int64
}

// Prune removes entries, the least recently used first, but none that a build
// uses. What it could not remove is in the error; the rest is gone.
func Prune(roots dirs.Roots, f Filter) (Freed, error) {
	var freed Freed
	all, err := List(roots)
	if err != nil || len(all) == 0 {
		return freed, err
	}
	trash, own, err := ownDir(roots)
	if err != nil {
		return freed, err
	}
	defer func() {
		_ = removeTree(trash)
		own.Release()
	}()
	total := int64(0)
	for i := range all {
		all[i].Measure()
		total += all[i].Size - all[i].Shared
	}
	keep := int64(0)
	if f.bounded() {
		avail, err := free(roots)
		if err != nil {
			return freed, err
		}
		keep = f.keep(total, avail)
	}
	var errs []error
	for i := range all {
		e := &all[i]
		if f.bounded() && total <= keep {
			break
		}
		if !f.wants(e) {
			continue
		}
		err := e.remove(roots, trash)
		if errors.Is(err, lock.ErrBusy) || errors.Is(err, os.ErrNotExist) {
			continue // a build has taken it, or another prune, since we looked
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot remove build cache %s: %w", e.ID, err))
			continue
		}
		freed.Entries = append(freed.Entries, *e)
		freed.Bytes += e.Size - e.Shared
		total -= e.Size - e.Shared
	}
	pruneResults(roots, f, time.Now())
	return freed, errors.Join(errs...)
}

// Prune is Prune of the cache's roots.
func (c *Cache) Prune(f Filter) (Freed, error) { return Prune(c.Roots, f) }

func (f Filter) wants(e *Entry) bool {
	if e.InUse || f.Unused > 0 && time.Since(e.Used) < f.Unused {
		return false
	}
	if !f.All && e.Shared > 0 {
		return false
	}
	for _, m := range f.Match {
		if e.matches(m.Key, m.Value) == m.Not {
			return false
		}
	}
	return true
}

func (e *Entry) remove(roots dirs.Roots, trash string) error {
	if e.Kind != KindMount {
		return dropStep(roots, trash, e.ID)
	}
	l, err := lock.Try(e.lock)
	if err != nil {
		return err
	}
	defer l.Release()
	// The lock goes with the rest: who waits for it makes the cache anew.
	gone := filepath.Join(trash, "gone-"+e.ID)
	if err := os.Rename(e.dir, gone); err != nil {
		return err
	}
	return safepath.RemoveAll(gone)
}

// pruneResults removes what is remembered of images and downloads: it is small and of
// no worth without the steps.
func pruneResults(roots dirs.Roots, f Filter, now time.Time) {
	if f.bounded() || len(f.Match) > 0 {
		return
	}
	for _, dir := range []string{roots.BuildResults(), roots.BuildDownloads(), roots.BuildContexts()} {
		entries, _ := readDir(dir)
		for _, e := range entries {
			if st, err := e.Info(); err == nil && (f.Unused == 0 || now.Sub(st.ModTime()) > f.Unused) {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}
