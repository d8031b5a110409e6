package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"skiff/rootfs/layer"
	"skiff/runtime/hostfacts"
	"skiff/runtime/sandbox"
	"skiff/state"
	"skiff/state/event"
)

// Shown is a container or an image whose files are mounted on the host.
type Shown struct {
	ID    string
	Names []string
	Path  string
}

// errOwnNamespace is why ordinary users cannot have their containers' files
// mounted: no other process would see the mount.
var errOwnNamespace = errors.New("only root can: a mount of an ordinary user is seen by nobody else (use cp or export)")

// Mount shows a container's files on the host until Unmount, and gives the
// directory. Podman: mount.
func (e *Engine) Mount(ctx context.Context, ref string) (string, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return "", err
	}
	if e.Rootless() {
		return "", fmt.Errorf("cannot mount container %s: %w", ref, errOwnNamespace)
	}
	dir := e.Roots.ContainerMount(id)
	if layer.Mounted(dir) {
		return dir, nil
	}
	if err := e.show(ctx, id); err != nil {
		return "", fmt.Errorf("cannot mount container %s: %w", ref, err)
	}
	e.noteID(id, event.Mount)
	return dir, nil
}

// show mounts a container's files: those that its processes see if it runs.
func (e *Engine) show(ctx context.Context, id string) error {
	st, err := e.status(ctx, id)
	if err != nil {
		return err
	}
	dir := e.Roots.ContainerMount(id)
	if st.Phase.Present() {
		box, err := sandbox.Load(e.Roots.Sandboxes(), id)
		if err != nil {
			return err
		}
		mount, err := box.RootMount()
		if err != nil {
			return err
		}
		defer mount.Close()
		return layer.MountAt(mount, dir)
	}
	l, err := e.lockIdle(ctx, id)
	if err != nil {
		return err
	}
	defer l.Release()
	cfg, err := e.Store.Load(id)
	if err != nil {
		return err
	}
	c := e.Roots.Container(id)
	o := layer.Overlay{Upper: c.Upper(), Work: c.Work()}
	if cfg.Image.ID != "" {
		img, err := e.Images.Load(cfg.Image.ID)
		if err != nil {
			return fmt.Errorf("cannot find its image: %w", err)
		}
		o.Lower = img.Layers
	}
	return overlayAt(o, dir)
}

func overlayAt(o layer.Overlay, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o.Target, o.UserNS = dir, hostfacts.New().Facts().UserNS
	if err := o.Mount(); err != nil {
		os.Remove(dir)
		return err
	}
	return nil
}

// hide takes a container's files away from the host for a start, which mounts
// them itself; it tells whether they were there.
func (e *Engine) hide(id string) bool {
	dir := e.Roots.ContainerMount(id)
	if !layer.Mounted(dir) {
		return false
	}
	e.warnOf(layer.Unmount(dir, true))
	return true
}

// Unmount undoes Mount; unmounted says that there was something to undo.
func (e *Engine) Unmount(ref string, force bool) (unmounted bool, err error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return false, err
	}
	dir := e.Roots.ContainerMount(id)
	if !layer.Mounted(dir) {
		return false, nil
	}
	if err := layer.Unmount(dir, force); err != nil {
		return true, err
	}
	e.noteID(id, event.Unmount)
	return true, nil
}

// Mounts lists the containers whose files are mounted.
func (e *Engine) Mounts() ([]Shown, error) {
	return e.shown(func(name string) (Shown, bool) {
		cfg, err := e.Store.Load(name)
		if err != nil {
			return Shown{}, false
		}
		return Shown{ID: name, Names: []string{cfg.Name}}, true
	})
}

// ImageMounts lists the images whose files are mounted.
func (e *Engine) ImageMounts() ([]Shown, error) {
	return e.shown(func(name string) (Shown, bool) {
		id, ok := strings.CutPrefix(name, "image-")
		if !ok {
			return Shown{}, false
		}
		s := Shown{ID: id}
		if img, err := e.Images.Load(id); err == nil {
			s.Names = img.Names
		}
		return s, true
	})
}

func (e *Engine) shown(read func(name string) (Shown, bool)) ([]Shown, error) {
	entries, err := os.ReadDir(e.Roots.Mounts())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var out []Shown
	for _, entry := range entries {
		s, ok := read(entry.Name())
		s.Path = e.Roots.ContainerMount(entry.Name())
		if ok && layer.Mounted(s.Path) {
			out = append(out, s)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// ImageMount shows an image's files, read-only, until ImageUnmount.
func (e *Engine) ImageMount(ref string) (Shown, error) {
	img, _, err := e.Images.LookupImage(ref, layer.ThisPlatform())
	if err != nil {
		return Shown{}, err
	}
	if e.Rootless() {
		return Shown{}, fmt.Errorf("cannot mount image %s: %w", ref, errOwnNamespace)
	}
	s := Shown{ID: img.ID, Names: img.Names, Path: e.Roots.ImageMount(img.ID)}
	if layer.Mounted(s.Path) {
		return s, nil
	}
	if err := overlayAt(layer.Overlay{Lower: img.Layers, ReadOnly: true}, s.Path); err != nil {
		return Shown{}, fmt.Errorf("cannot mount image %s: %w", ref, err)
	}
	return s, nil
}

// ImageUnmount undoes ImageMount and gives the image's id; "" where it was not
// mounted.
func (e *Engine) ImageUnmount(ref string, force bool) (string, error) {
	img, _, err := e.Images.LookupImage(ref, layer.ThisPlatform())
	if err != nil {
		return "", err
	}
	dir := e.Roots.ImageMount(img.ID)
	if !layer.Mounted(dir) {
		return "", nil
	}
	return img.ID, layer.Unmount(dir, force)
}

// hideImages unmounts the images that are about to be removed, which takes force.
func (e *Engine) hideImages(refs []string, opt ImageRemoveOptions) error {
	mounts, err := e.ImageMounts()
	if err != nil || len(mounts) == 0 {
		return err
	}
	ending := e.ending(refs)
	for _, m := range mounts {
		switch {
		case !opt.All && !ending[m.ID]:
		case !opt.Force:
			return fmt.Errorf("cannot remove image %s: it is mounted on %s, unmount it first (image unmount) or use --force: %w", m.ID[:12], m.Path, state.ErrInUse)
		default:
			if err := layer.Unmount(m.Path, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// collectMounts unmounts the files of containers that are gone.
func (e *Engine) collectMounts() error {
	entries, err := os.ReadDir(e.Roots.Mounts())
	if err != nil {
		return nil // there never was one
	}
	var errs []error
	for _, entry := range entries {
		if !state.IsID(entry.Name()) {
			continue
		}
		if _, err := e.Store.Load(entry.Name()); errors.Is(err, state.ErrNotFound) {
			errs = append(errs, layer.Unmount(e.Roots.ContainerMount(entry.Name()), true))
		}
	}
	return errors.Join(errs...)
}
