package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
)

// Load adds the images of an archive or a directory (Request.Input) to the
// store, with the names that they have there. The kind and the compression are
// found out from the content.
func Load(ctx context.Context, s *registry.Session) ([]imagecall.Image, error) {
	file := s.Req.Input
	if st, err := os.Stat(file); err != nil || !st.IsDir() {
		var err error
		if file, err = tarFile(ctx, file, s.Store.SpoolDir()); err != nil {
			return nil, err
		}
	}
	images, err := load(ctx, s, file)
	if err != nil && !errors.Is(err, errFormat) {
		err = &registry.Failed{Verb: "load", Image: describePlain(s.Req.Input), Err: err}
	}
	return images, err
}

func describePlain(input string) string { return strings.Trim(describe(input), `"`) }

func load(ctx context.Context, s *registry.Session, file string) ([]imagecall.Image, error) {
	kind, err := detect(file)
	if err != nil {
		return nil, err
	}
	switch kind {
	case DockerArchive:
		return loadDocker(ctx, s, file)
	case OCIArchive:
		dir, err := os.MkdirTemp(s.Store.SpoolDir(), "layout-")
		if err != nil {
			return nil, err
		}
		if err := extractLayout(file, dir); err != nil {
			return nil, err
		}
		return loadLayout(ctx, s, dir)
	case OCIDir:
		return loadLayout(ctx, s, file)
	}
	src, err := directory.NewReference(file)
	if err != nil {
		return nil, err
	}
	return loadImage(ctx, s, src, nil)
}

func loadDocker(ctx context.Context, s *registry.Session, file string) ([]imagecall.Image, error) {
	r, err := dockerarchive.NewReader(s.Context(), file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list, err := r.List()
	if err != nil {
		return nil, err
	}
	var images []imagecall.Image
	for _, refs := range list {
		var names []string
		for _, ref := range refs {
			if named := ref.DockerReference(); named != nil {
				names = append(names, named.String())
			}
		}
		loaded, err := loadImage(ctx, s, refs[0], names)
		images = append(images, loaded...)
		if err != nil {
			return images, err
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%w: it holds no image", errFormat)
	}
	return images, nil
}

func loadLayout(ctx context.Context, s *registry.Session, dir string) ([]imagecall.Image, error) {
	index, err := readIndex(dir)
	if err != nil {
		return nil, err
	}
	var images []imagecall.Image
	for i, d := range index.Manifests {
		if !isImage(d) {
			continue
		}
		src, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return images, err
		}
		var names []string
		if name := layoutName(d.Annotations); name != "" {
			names = []string{name}
		}
		loaded, err := loadImage(ctx, s, src, names)
		images = append(images, loaded...)
		if err != nil {
			return images, err
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%w: it holds no image", errFormat)
	}
	return images, nil
}

// loadImage copies one image into the store and gives it its names.
func loadImage(ctx context.Context, s *registry.Session, src types.ImageReference, names []string) ([]imagecall.Image, error) {
	if len(names) == 0 {
		img, err := loadUnnamed(ctx, s, src)
		if err != nil {
			return nil, err
		}
		return []imagecall.Image{*img}, nil
	}
	dst, err := s.Store.Reference(names[0])
	if err != nil {
		return nil, err
	}
	first, err := s.Copy(ctx, names[0], src, dst, s.Context())
	if err != nil {
		return nil, err
	}
	images := []imagecall.Image{*first}
	if len(names) > 1 {
		if _, err := s.Store.Tag(ctx, first.ID, names[1:]); err != nil {
			return images, err
		}
	}
	for _, name := range names[1:] {
		more := *first
		more.Name = name
		images = append(images, more)
	}
	return images, nil
}

// loadUnnamed copies an image that nothing gives a name; its id is known before.
func loadUnnamed(ctx context.Context, s *registry.Session, src types.ImageReference) (*imagecall.Image, error) {
	img, err := src.NewImage(ctx, s.Context())
	if err != nil {
		return nil, err
	}
	digest := img.ConfigInfo().Digest
	img.Close()
	if err := digest.Validate(); err != nil {
		return nil, fmt.Errorf("the image has no configuration: %w", err)
	}
	dst, err := s.Store.ReferenceByID(digest.Encoded())
	if err != nil {
		return nil, err
	}
	return s.Copy(ctx, "", src, dst, s.Context())
}

// Pull adds one image from a name with the transport of a file, such as
// oci-archive:PATH[:NAME] or dir:PATH.
func Pull(ctx context.Context, s *registry.Session, ref string) ([]imagecall.Image, error) {
	transport, rest, _ := strings.Cut(ref, ":")
	if _, err := os.Stat(rest); err == nil {
		in := *s.Req
		in.Input = rest
		req := s.Req
		s.Req = &in
		defer func() { s.Req = req }()
		return Load(ctx, s)
	}
	src, err := registry.FileReference(ref)
	if err != nil {
		return nil, err
	}
	var names []string
	if named := src.DockerReference(); named != nil {
		names = []string{named.String()}
	} else if i := strings.LastIndexByte(rest, ':'); strings.HasPrefix(transport, "oci") && i > 0 {
		name, err := layer.NormalizeLocal(rest[i+1:])
		if err != nil {
			return nil, err
		}
		names = []string{name}
	}
	images, err := loadImage(ctx, s, src, names)
	if err != nil {
		return images, &registry.Failed{Verb: "pull", Image: ref, Err: err}
	}
	return images, nil
}
