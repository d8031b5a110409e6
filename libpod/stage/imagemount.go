package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"skiff/rootfs/layer"
	"skiff/state"
)

// imageMount mounts the layers of another image, read-only, where only this
// container will see them. Docker: --mount type=image. It is an overlay without
// a writable layer also where there is one layer only: a bind mount of that
// could be made writable from inside a privileged container, and with it all
// containers of the image.
func (s *starter) imageMount(m state.Mount) (string, error) {
	img, err := s.engine.Images.Load(m.Source)
	if err != nil {
		return "", fmt.Errorf("cannot mount the image %q: %w", m.Source, err)
	}
	s.imageMounts++
	target := filepath.Join(s.dirs.Run, "image"+strconv.Itoa(s.imageMounts))
	if err := os.MkdirAll(target, 0o700); err != nil {
		return "", err
	}
	if err := layer.PrivateMountPoint(target); err != nil {
		return "", err
	}
	lower, err := s.layers(img.Layers)
	if err != nil {
		return "", err
	}
	o := layer.Overlay{
		Lower:  lower,
		Target: target, ReadOnly: true, UserNS: s.facts.UserNS,
	}
	return target, o.Mount()
}
