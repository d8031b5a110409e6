package cache

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/imagecall"
	"skiff/state/dirs"
)

// Space bounds what the cache takes, in bytes. The zero value bounds nothing. Docker:
// the options of buildx prune; BuildKit: reservedSpace, maxUsedSpace, minFreeSpace.
type Space struct {
	// MaxUsed is the most that it may take, MinFree how much of the file system is to be
	// free, and Reserved what it may take in any case.
	MaxUsed, MinFree, Reserved int64
}

// keep is how much of total may stay where free bytes are free.
func (s Space) keep(total, free int64) int64 {
	keep := total
	if s.MaxUsed > 0 || s.MinFree <= 0 {
		keep = min(keep, s.MaxUsed)
	}
	if lack := s.MinFree - free; lack > 0 {
		keep = min(keep, total-lack)
	}
	return max(keep, s.Reserved)
}

// bounded reports whether anything is to stay.
func (s Space) bounded() bool { return s != Space{} }

// Limits are what the cache is cut to after a build, beside what images share with it;
// the zero value is no limit.
type Limits struct {
	Space
	// Unused is how long what nobody uses is kept; 0 is no limit.
	Unused time.Duration
}

// Defaults of Limits: a tenth of the file system, but no more than mostKept.
const (
	mostKept   = 20 << 30
	tenth      = 10 // percent
	keptUnused = 30 * 24 * time.Hour
)

// LimitsOf are those of a policy.
func LimitsOf(roots dirs.Roots, p imagecall.CachePolicy) (Limits, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(roots.Data, &fs); err != nil {
		return Limits{}, fmt.Errorf("cannot find the size of the file system of %s: %w", roots.Data, err)
	}
	size := int64(fs.Blocks) * fs.Bsize
	bytes := func(s *imagecall.Space, without int64) int64 {
		if s == nil {
			return without
		}
		return s.Bytes + size/100*s.Percent
	}
	l := Limits{Unused: keptUnused, Space: Space{
		MaxUsed: bytes(p.MaxUsed, min(mostKept, size/100*tenth)), MinFree: bytes(p.MinFree, 0), Reserved: bytes(p.Reserved, 0),
	}}
	if p.Unused != nil {
		l.Unused = *p.Unused
	}
	return l, nil
}

// free is how much of the file system is free for whoever makes files there.
func free(roots dirs.Roots) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(roots.Data, &fs); err != nil {
		return 0, fmt.Errorf("cannot find out what is free on the file system of %s: %w", roots.Data, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

// Cut removes what is beyond the limits. It reads the records, and goes through
// files only where it has to remove something.
func (c *Cache) Cut(l Limits) (Freed, error) {
	all, err := List(c.Roots)
	if err != nil {
		return Freed{}, err
	}
	total, old := int64(0), false
	for i := range all {
		e := &all[i]
		e.estimate()
		total += e.Size
		old = old || l.Unused > 0 && !e.InUse && time.Since(e.Used) > l.Unused
	}
	var freed Freed
	if old {
		if freed, err = c.Prune(Filter{All: true, Unused: l.Unused}); err != nil {
			return freed, err
		}
	}
	if l.MaxUsed <= 0 && l.MinFree <= 0 {
		return freed, nil
	}
	avail, err := free(c.Roots)
	if err != nil {
		return freed, err
	}
	if total -= freed.Bytes; total > l.keep(total, avail) {
		var more Freed
		more, err = c.Prune(Filter{All: true, Space: l.Space})
		freed.Entries, freed.Bytes = append(freed.Entries, more.Entries...), freed.Bytes+more.Bytes
	}
	return freed, err
}
