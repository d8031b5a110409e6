package registry

import (
	"context"
	"fmt"

	"go.podman.io/image/v5/docker"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
)

// pullAllTags pulls every tag of a repository.
func (s *Session) pullAllTags(ctx context.Context, ref string) ([]imagecall.Image, error) {
	r, err := layer.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	if r.Tag != "" || r.Digest != "" {
		return nil, fmt.Errorf("%q has a tag: --all-tags needs a name without one", ref)
	}
	names, err := s.candidates(ref)
	if err != nil {
		return nil, err
	}
	var tags []string
	var repository string
	for _, name := range names {
		if tags, repository, err = s.tags(ctx, name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, &Failed{"list the tags of", ref, err}
	}
	var images []imagecall.Image
	for _, tag := range tags {
		img, err := s.first(ctx, ref, []string{repository + ":" + tag}, pullAlways)
		if err != nil {
			return images, err
		}
		images = append(images, *img)
	}
	return images, nil
}

// tags lists the tags of the repository of a full name.
func (s *Session) tags(ctx context.Context, full string) (tags []string, repository string, err error) {
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil, "", err
	}
	src, err := dockerRef(full)
	if err != nil {
		return nil, "", err
	}
	tags, err = docker.GetRepositoryTags(ctx, s.contextFor(ctx, r.Domain), src)
	return tags, r.Repository(), err
}
