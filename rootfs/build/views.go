package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/state/dirs"
)

// views are the mounts of one build: layers merged, to copy from or into. They
// are on a tmpfs that only this process sees.
type views struct {
	dir    string
	userNS bool
	mu     sync.Mutex
	n      int
	// merged are those without a writable layer, by the key of the top layer.
	merged map[string]*view
}

type view struct {
	once sync.Once
	root *safepath.Root
	dir  string
	err  error
}

// newViews covers an empty directory with a tmpfs.
//
// Preconditions:
//   - the process has a mount namespace of its own, where nothing propagates out
func newViews(roots dirs.Roots) (*views, error) {
	v := &views{dir: filepath.Join(roots.Builds(), "views"), userNS: layer.InUserNamespace(), merged: map[string]*view{}}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of builds: %w", err)
	}
	if err := layer.PrivateMountPoint(v.dir); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", v.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16m,mode=700"); err != nil {
		return nil, fmt.Errorf("cannot mount a place for the build's files: %w", err)
	}
	return v, nil
}

// close unmounts everything.
func (v *views) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.merged {
		if m.root != nil {
			m.root.Close()
		}
	}
	for i := v.n; i > 0; i-- {
		unix.Unmount(v.path(i), unix.MNT_DETACH)
	}
	unix.Unmount(v.dir, unix.MNT_DETACH)
}

func (v *views) path(n int) string { return filepath.Join(v.dir, strconv.Itoa(n)) }

func (v *views) directory() (string, error) {
	v.mu.Lock()
	v.n++
	dir := v.path(v.n)
	v.mu.Unlock()
	return dir, os.Mkdir(dir, 0o755)
}

// read gives layers merged, read-only. name stands for just these layers.
func (v *views) read(name string, layers []string) (*safepath.Root, error) {
	m := v.merge(name, layers)
	return m.root, m.err
}

// directoryOf is read, for what wants a path.
func (v *views) directoryOf(name string, layers []string) (string, error) {
	m := v.merge(name, layers)
	return m.dir, m.err
}

func (v *views) merge(name string, layers []string) *view {
	v.mu.Lock()
	m := v.merged[name]
	if m == nil {
		m = &view{}
		v.merged[name] = m
	}
	v.mu.Unlock()
	m.once.Do(func() {
		if m.dir, m.err = v.directory(); m.err != nil {
			return
		}
		if m.err = (layer.Overlay{Lower: layers, Target: m.dir, UserNS: v.userNS}).Mount(); m.err == nil {
			m.root, m.err = safepath.OpenRoot(m.dir)
		}
	})
	return m
}

// write gives layers with a writable one on top. done unmounts it, after which
// the writable layer holds what was changed.
func (v *views) write(layers []string, w *cache.Work) (root *safepath.Root, done func() error, err error) {
	dir, err := v.directory()
	if err != nil {
		return nil, nil, err
	}
	o := layer.Overlay{Lower: layers, Upper: w.Upper, Work: w.Work, Target: dir, UserNS: v.userNS, Volatile: true}
	if err := o.Mount(); err != nil {
		return nil, nil, err
	}
	if root, err = safepath.OpenRoot(dir); err != nil {
		unix.Unmount(dir, unix.MNT_DETACH)
		return nil, nil, err
	}
	return root, func() error {
		root.Close()
		err := unix.Unmount(dir, 0)
		if errors.Is(err, unix.EBUSY) { // a process that is being started has it open still
			err = unix.Unmount(dir, unix.MNT_DETACH)
		}
		return err
	}, nil
}
