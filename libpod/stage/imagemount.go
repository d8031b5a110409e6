package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"skiff/rootfs/layer"
	"skiff/rootfs/safepath"
	"skiff/state"
)

// imageMount mounts the layers of another image. Docker: --mount type=image.
func (s *starter) imageMount(m state.Mount) (string, error) {
	img, err := s.engine.Images.Load(m.Source)
	if err != nil {
		return "", fmt.Errorf("cannot mount the image %q: %w", m.Source, err)
	}
	return s.layersMount(m, img.Layers, fmt.Sprintf("the image %q", m.Source))
}

// layersMount mounts layers where only this container will see them, with a layer
// of the container's own above them if it may write. A read-only one is an overlay
// without a writable layer also where there is one layer only: a bind mount of that
// could be made writable from inside a privileged container, and with it all
// containers of the image. what is the layers' name for messages.
func (s *starter) layersMount(m state.Mount, layers []string, what string) (string, error) {
	target, err := s.overlayPoint()
	if err != nil {
		return "", err
	}
	lower, err := s.layers(layers)
	if err != nil {
		return "", err
	}
	o := layer.Overlay{Lower: lower, Target: target, ReadOnly: m.ReadOnly, UserNS: s.facts.UserNS}
	if !m.ReadOnly {
		o.Upper, o.Work, o.Volatile = s.dirs.ImageUpper(s.imageMounts), s.dirs.ImageWork(s.imageMounts), s.cfg.AutoRemove
		for _, dir := range []string{o.Upper, o.Work} { // they stay as long as the container
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", fmt.Errorf("cannot make a writable layer for %s: %w", what, err)
			}
		}
	}
	if err := o.Mount(); err != nil {
		return "", err
	}
	if m.Subpath == "" {
		return target, nil
	}
	path, err := subpath(target, m.Subpath)
	if err != nil {
		return "", fmt.Errorf("cannot mount %s: %w", what, err)
	}
	return path, nil
}

// overlayPoint makes the place of the next overlay that is not the root.
func (s *starter) overlayPoint() (string, error) {
	s.imageMounts++
	target := filepath.Join(s.dirs.Run, "image"+strconv.Itoa(s.imageMounts))
	if err := os.MkdirAll(target, 0o700); err != nil {
		return "", err
	}
	return target, layer.PrivateMountPoint(target)
}

// over lays a writable layer over the source of a mount that asks for it, and gives
// the place of both together. A layer of the container's own is empty at each start.
// Podman: the option O.
func (s *starter) over(m state.Mount, source string) (string, error) {
	if m.Overlay == nil {
		return source, nil
	}
	if source == "" {
		source = m.Source
	}
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("cannot mount %q on %q as an overlay: %w", m.Source, m.Target, err)
	}
	if st, err := os.Stat(source); err != nil || !st.IsDir() {
		return fail(errors.New("it is not a directory"))
	}
	target, err := s.overlayPoint()
	if err != nil {
		return "", err
	}
	o := layer.Overlay{Lower: []string{source}, Target: target, ReadOnly: m.ReadOnly, UserNS: s.facts.UserNS}
	if m.Overlay.Upper != "" {
		o.Upper, o.Work = m.Overlay.Upper, m.Overlay.Work
		for _, dir := range []string{o.Upper, o.Work} {
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				return fail(fmt.Errorf("%q is not a directory", dir))
			}
		}
	} else {
		o.Upper, o.Work, o.Volatile = s.dirs.ImageUpper(s.imageMounts), s.dirs.ImageWork(s.imageMounts), true
		if err := s.freshLayer(o.Upper, o.Work); err != nil {
			return fail(err)
		}
	}
	if err := o.Mount(); err != nil {
		return fail(err)
	}
	return target, nil
}

// freshLayer makes an empty writable layer; who only looks at a container that
// does not run sees what its last run wrote.
func (s *starter) freshLayer(upper, work string) error {
	for _, dir := range []string{upper, work} {
		if s.looking {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := safepath.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}
