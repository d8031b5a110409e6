package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"skiff/state/lock"
)

// Ways to share a cache mount between steps. Dockerfile: sharing=.
const (
	SharingShared  = "shared" // also if empty
	SharingLocked  = "locked"
	SharingPrivate = "private"
)

// Mount is the directory of a RUN --mount=type=cache.
type Mount struct {
	Dir string
	// Made says that it is new, and empty.
	Made bool

	lock *lock.Lock
}

// Release ends the use of a mount.
func (m *Mount) Release() {
	if m != nil {
		touch(m.Dir + mountLock)
		m.lock.Release()
	}
}

// mountWait is how often a locked mount is asked for.
const mountWait = 50 * time.Millisecond

// Mount gives the mount with this name, any text, and keeps it from being pruned
// until Release. A locked one is waited for; where a private one is in use,
// another one is given.
func (c *Cache) Mount(ctx context.Context, name, sharing string) (*Mount, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:16])
	switch sharing {
	case "", SharingShared:
		return c.mount(id, lock.Share)
	case SharingLocked:
		for {
			m, err := c.mount(id, lock.Try)
			if !errors.Is(err, lock.ErrBusy) {
				return m, err
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(mountWait):
			}
		}
	case SharingPrivate:
		for n := 1; ; n++ {
			m, err := c.mount(id+"-"+strconv.Itoa(n), lock.Try)
			if !errors.Is(err, lock.ErrBusy) {
				return m, err
			}
		}
	}
	return nil, fmt.Errorf("unknown sharing %q of a cache mount: use shared, locked or private", sharing)
}

func (c *Cache) mount(id string, take func(string) (*lock.Lock, error)) (*Mount, error) {
	dir := filepath.Join(c.Roots.BuildMounts(), id)
	l, err := take(dir + mountLock)
	if err != nil {
		return nil, err
	}
	err = makeDir(dir, 0o755)
	if err != nil && !errors.Is(err, os.ErrExist) {
		l.Release()
		return nil, fmt.Errorf("cannot make a cache mount: %w", err)
	}
	touch(dir + mountLock)
	return &Mount{Dir: dir, Made: err == nil, lock: l}, nil
}
