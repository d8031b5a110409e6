package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"skiff/rootfs/layer"
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
	s.imageMounts++
	target := filepath.Join(s.dirs.Run, "image"+strconv.Itoa(s.imageMounts))
	if err := os.MkdirAll(target, 0o700); err != nil {
		return "", err
	}
	if err := layer.PrivateMountPoint(target); err != nil {
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
