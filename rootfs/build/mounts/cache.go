package mounts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/copytree"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// maxPrivate bounds the caches of one id that steps have for themselves.
const maxPrivate = 1000

// held is a cache that a step uses.
type held struct {
	dir  cache.MountDir
	lock *lock.Lock
}

func (h *held) release() { h.lock.Release() }

// asked is a cache that a step asks for.
type asked struct {
	m      *instructions.Mount
	key    string
	id     string
	layers []string
}

// ask finds out which cache is meant: the same id with other content to begin with,
// or another owner, is another cache.
func (r *resolver) ask(m *instructions.Mount) (asked, error) {
	a := asked{m: m, id: m.CacheID}
	if a.id == "" {
		a.id = path.Clean(m.Target)
	}
	if m.From != "" {
		var err error
		if a.layers, err = r.layers(m.From); err != nil {
			return a, err
		}
	}
	parts := []any{r.p.Namespace, a.id}
	if m.From != "" {
		parts = append(parts, a.layers, path.Join("/", m.Source))
	}
	if m.UID != nil || m.GID != nil || m.Mode != nil {
		parts = append(parts, number(m.UID, 0), number(m.GID, 0), number(m.Mode, 0o755))
	}
	data, err := json.Marshal(parts)
	sum := sha256.Sum256(data)
	a.key = hex.EncodeToString(sum[:16])
	return a, err
}

// lockCaches takes the locks of all of the step's caches, in one order for all
// steps, so that no two wait for each other.
func (r *resolver) lockCaches(ctx context.Context, list []*instructions.Mount) error {
	var all []asked
	for _, m := range list {
		if m.Type != instructions.MountTypeCache {
			continue
		}
		a, err := r.ask(m)
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	// Who wants one alone comes first, and shares it with the step's other mounts.
	rank := func(a asked) int {
		return slices.Index([]instructions.ShareMode{lockedMode, privateMode}, a.m.CacheSharing)
	}
	slices.SortStableFunc(all, func(a, b asked) int {
		return cmp.Or(cmp.Compare(a.key, b.key), -cmp.Compare(rank(a), rank(b)))
	})
	for _, a := range all {
		if r.caches[a.key] != nil {
			continue
		}
		h, err := r.hold(ctx, a)
		if err != nil {
			return fmt.Errorf("cannot use the cache %q: %w", a.id, err)
		}
		r.caches[a.key] = h
		if err := r.fill(h.dir, a); err != nil {
			return fmt.Errorf("cannot use the cache %q: %w", a.id, err)
		}
	}
	return nil
}

const (
	lockedMode  = instructions.MountSharingLocked
	privateMode = instructions.MountSharingPrivate
)

// hold takes the lock that the mount's sharing calls for.
func (r *resolver) hold(ctx context.Context, a asked) (*held, error) {
	base := string(cache.Mount(r.p.Roots, a.key))
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		h, err := try(base, a.m.CacheSharing)
		if err == nil || !errors.Is(err, lock.ErrBusy) {
			return h, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

func try(base string, mode instructions.ShareMode) (*held, error) {
	if mode != privateMode {
		take := lock.TryShare
		if mode == lockedMode {
			take = lock.Try
		}
		return open(base, take)
	}
	for n := range maxPrivate {
		dir := base
		if n > 0 {
			dir += "-" + strconv.Itoa(n)
		}
		h, err := open(dir, lock.Try)
		if !errors.Is(err, lock.ErrBusy) {
			return h, err
		}
	}
	return nil, fmt.Errorf("%d steps have one for themselves: %w", maxPrivate, lock.ErrBusy)
}

// open makes a cache's directory where needed and takes its lock. Somebody may
// remove it until then.
func open(dir string, take func(string) (*lock.Lock, error)) (*held, error) {
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		m := cache.MountDir(dir)
		l, err := take(m.Lock())
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &held{m, l}, nil
	}
}

// fill makes the cache's content where it has none, and notes its use. Several
// steps may come to it at once: the content appears as a whole.
func (r *resolver) fill(dir cache.MountDir, a asked) error {
	now := time.Now().UTC()
	rec := cache.MountRecord{Version: cache.MountVersion, ID: a.id, Created: now, Used: now}
	var old cache.MountRecord
	if jsonfile.Read(dir.Record(), &old) == nil && !old.Created.IsZero() {
		rec.Created = old.Created
	}
	if !jsonfile.Exists(dir.Data()) {
		if err := r.begin(dir, a); err != nil {
			return err
		}
	}
	return jsonfile.Write(dir.Record(), rec, jsonfile.Volatile)
}

// begin makes the content: a directory with the owner that was asked for, or the
// files of a stage, an image or a context.
func (r *resolver) begin(dir cache.MountDir, a asked) error {
	tmp, err := os.MkdirTemp(string(dir), "new-")
	if err != nil {
		return err
	}
	if err = own(tmp, number(a.m.UID, 0), number(a.m.GID, 0), number(a.m.Mode, 0o755)); err == nil && a.m.From != "" {
		err = copyFrom(tmp, a)
	}
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir.Data(), unix.RENAME_NOREPLACE)
	}
	if err != nil {
		os.RemoveAll(tmp)
	}
	if errors.Is(err, unix.EEXIST) {
		return nil // another step was quicker
	}
	return err
}

// copyFrom copies the directory that from= and source= name.
func copyFrom(to string, a asked) error {
	view := to + "-from"
	if err := os.Mkdir(view, 0o700); err != nil {
		return err
	}
	defer os.Remove(view)
	if err := layer.PrivateMountPoint(view); err != nil {
		return err
	}
	defer unix.Unmount(view, unix.MNT_DETACH)
	if err := (layer.Overlay{Lower: a.layers, Target: view, UserNS: layer.InUserNamespace()}).Mount(); err != nil {
		return err
	}
	defer unix.Unmount(view, unix.MNT_DETACH)
	root, err := safepath.OpenRoot(view)
	if err != nil {
		return err
	}
	defer root.Close()
	from, err := root.Open(path.Join("/", a.m.Source), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("cannot copy %q of %q: %w", a.m.Source, a.m.From, errors.Unwrap(err))
	}
	defer from.Close()
	dst, err := os.Open(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := copytree.Copy(from, dst, copytree.Options{}); err != nil {
		return err
	}
	if a.m.UID == nil && a.m.GID == nil && a.m.Mode == nil {
		return nil // as it is there
	}
	return own(to, number(a.m.UID, 0), number(a.m.GID, 0), number(a.m.Mode, 0o755))
}

// cache shows one that is held.
func (r *resolver) cache(m *instructions.Mount) error {
	target, err := r.target(m.Target)
	if err != nil {
		return err
	}
	a, err := r.ask(m)
	if err != nil {
		return err
	}
	r.mount(imagecall.Mount{Target: target, Source: r.caches[a.key].dir.Data(), ReadOnly: m.ReadOnly})
	return nil
}
