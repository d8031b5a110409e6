// Package cache keeps what the steps of builds have made: one directory per
// step, with the layer as overlay keeps it, and a record. A step is known by a
// key made of its content and of what is below it, never by time.
//
// Not here: making keys (rootfs/build), images (rootfs/store).
package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/state/dirs"
	"skiff/state/lock"
)

// RecordVersion is the version of Record.
const RecordVersion = 1

// Record is builds/steps/<id>/step.json. It is written when the step is done.
type Record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`  // 32 hex digits, of which 24 are the key's first
	Key     string `json:"key"` // 64 hex digits
	// Renews is the key of the step that was done again, without the cache, as this
	// one. Caches of other machines are asked for it.
	Renews string `json:"renews,omitempty"`
	// Title is the instruction, for lists.
	Title   string    `json:"title,omitempty"`
	Created time.Time `json:"created"`
	// Size is what the layer's files take, in bytes.
	Size int64 `json:"size"`
	// DiffID is the digest of the layer as an uncompressed archive and ArchiveSize
	// its size, once somebody has asked.
	DiffID      string `json:"diffId,omitempty"`
	ArchiveSize int64  `json:"archiveSize,omitempty"`
	// Input says that the step is a snapshot of a context or other input.
	Input bool `json:"input,omitempty"`
	// Boot is the kernel's id of the boot in which the step was done. After it the
	// step counts only if Synced says that its files are on the disk.
	Boot   string `json:"boot,omitempty"`
	Synced bool   `json:"synced,omitempty"`
}

// Cache is the cache below one pair of roots. Several processes use it at once.
type Cache struct {
	Roots dirs.Roots

	boot string
	dir  string     // this process's own, below builds/work
	own  *lock.Lock // on dir, for as long as the process lives

	mu       sync.Mutex
	held     map[string]*lock.Lock // by the ids of the steps that are in use here
	unsynced map[string]*Layer     // steps that were done here
	works    int
}

// Layer is a step that is done.
type Layer struct {
	Record
	// Dir is the layer's directory, an overlay upper directory.
	Dir string
}

// The files of a step, and of a process's own directory.
const (
	recordFile = "step.json"
	layerDir   = "layer"
	workDir    = "work"
	lockFile   = "lock"
)

// Open opens the cache, making it where needed, and removes what dead processes
// left.
func Open(roots dirs.Roots) (*Cache, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	// Containers in user namespaces walk through these to a layer.
	for _, dir := range []string{roots.Data, roots.Builds(), roots.BuildSteps(), roots.BuildWork(), roots.BuildResults(), roots.BuildDownloads(), roots.BuildContexts(), roots.BuildMounts()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("cannot make the build cache: %w", err)
		}
	}
	c := &Cache{Roots: roots, boot: boot, held: map[string]*lock.Lock{}, unsynced: map[string]*Layer{}}
	sweepWork(roots)
	if c.dir, c.own, err = ownDir(roots); err != nil {
		return nil, err
	}
	c.forgetLost()
	return c, nil
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot open the build cache: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// ownDir makes a directory for this process and takes its lock.
func ownDir(roots dirs.Roots) (string, *lock.Lock, error) {
	for range 5 {
		dir, err := os.MkdirTemp(roots.BuildWork(), "")
		if errors.Is(err, os.ErrNotExist) { // there was no build yet
			if err = os.MkdirAll(roots.BuildWork(), 0o711); err == nil {
				continue
			}
		}
		if err == nil {
			err = os.Chmod(dir, 0o711)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", nil, fmt.Errorf("cannot make a directory for the build: %w", err)
		}
		l, err := lock.Take(filepath.Join(dir, lockFile))
		if err == nil {
			return dir, l, nil
		}
		// A sweep of another process came between the two steps.
		if !errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir)
			return "", nil, fmt.Errorf("cannot make a directory for the build: %w", err)
		}
	}
	return "", nil, fmt.Errorf("cannot make a directory in %s: others keep removing it", roots.BuildWork())
}

// Close ends the use of the cache: steps that it has found may be removed by
// others from then on. Steps that were done here and that nobody has synced are
// synced, so that they outlive a power cut.
func (c *Cache) Close() {
	_ = c.Sync() // at worst they count until the next boot
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, l := range c.held {
		l.Release()
		delete(c.held, id)
	}
	if c.own != nil {
		removeTree(c.dir)
		c.own.Release()
		c.own = nil
	}
}

// Sync writes the steps that were done here to the disk, if there are any.
func (c *Cache) Sync() error {
	c.mu.Lock()
	n := len(c.unsynced)
	c.mu.Unlock()
	if n == 0 {
		return nil
	}
	f, err := os.Open(c.Roots.BuildSteps())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("cannot write the build cache to the disk: %w", err)
	}
	c.Synced()
	return nil
}

// Synced says that the caller has synced the file system that holds the cache
// since the last Commit, as adding an image to the store does. It spares Close a
// sync of its own.
func (c *Cache) Synced() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, l := range c.unsynced {
		l.Synced = true
		// A mark that a power cut loses makes the step count for nothing, no more.
		_ = writeRecord(filepath.Dir(l.Dir), &l.Record)
		delete(c.unsynced, id)
	}
}
