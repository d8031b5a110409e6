package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/state"
)

// BaseImage makes sure that an image is here to build on, for a platform as
// os/arch[/variant]; "" is this machine's. The policy is as that of Pull, "" is
// missing.
//
// An image for another platform than this machine's does not get the name, which
// stays with what it stands for here: it is known by its digest only.
func (s *Session) BaseImage(ctx context.Context, name, platform, policy string) (*state.Image, error) {
	if policy == "" {
		policy = pullMissing
	}
	f := *s // of its own platform
	if err := f.platform(platform); err != nil {
		return nil, err
	}
	if !f.foreign() {
		images, err := f.pullAs(ctx, name, policy)
		if err != nil {
			return nil, err
		}
		return f.Store.Images().Load(images[0].ID)
	}
	rec, full, err := f.Store.Images().Lookup(strings.TrimPrefix(name, "docker://"))
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, err
	}
	if err == nil && (policy == pullMissing || policy == pullNever) {
		if found := f.instanceHere(rec, full); found != nil {
			return found, nil
		}
	}
	if policy == pullNever {
		return nil, fmt.Errorf("no image %q for the platform %s is here: %w", name, platform, layer.Unknown(name))
	}
	pulled, err := f.pullForeign(ctx, name, platform)
	if err != nil && policy == pullNewer {
		if found := f.instanceHere(rec, full); found != nil {
			return found, nil
		}
	}
	return pulled, err
}

// foreign reports whether the session is for another platform than this machine's.
func (s *Session) foreign() bool {
	return s.sys.OSChoice != "" && s.sys.OSChoice != runtime.GOOS ||
		s.sys.ArchitectureChoice != "" && s.sys.ArchitectureChoice != runtime.GOARCH
}

// instanceHere gives what is here of the image that rec stands for, for the
// session's platform: itself, or what the index that it came with names.
func (s *Session) instanceHere(rec *state.Image, full string) *state.Image {
	if rec == nil {
		return nil
	}
	if rec.Index != nil {
		found, err := s.Store.Images().Instance(rec, s.Platform())
		if err != nil {
			return nil
		}
		return found
	}
	if s.fits(rec) {
		return rec
	}
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil
	}
	for _, blob := range s.Store.Indexes(rec.ID) {
		list, err := manifest.ListFromBlob(blob, manifest.GuessMIMEType(blob))
		if err != nil {
			continue
		}
		digest, err := list.ChooseInstance(s.Context())
		if err != nil {
			continue
		}
		found, _, err := s.Store.Images().Lookup(r.Repository() + "@" + digest.String())
		if err == nil && s.fits(found) {
			return found
		}
	}
	return nil
}

// pullForeign pulls the image for the session's platform under its digest.
func (s *Session) pullForeign(ctx context.Context, name, platform string) (*state.Image, error) {
	name = strings.TrimPrefix(name, "docker://")
	if pinned := s.listed(name); pinned != "" {
		name = pinned
	}
	names, err := s.candidates(name)
	if err != nil {
		return nil, err
	}
	var last error
	for _, full := range names {
		var pinned string
		if pinned, err = s.pin(ctx, full); err != nil {
			last = &Failed{"pull", full, err}
			continue
		}
		var img *imagecall.Image
		if img, err = s.pullLocked(ctx, pinned, pullMissing); err != nil {
			return nil, &Failed{"pull", full, err}
		}
		rec, err := s.Store.Images().Load(img.ID)
		if err == nil && !s.fits(rec) {
			err = fmt.Errorf("cannot use image %q: it is for the platform %s/%s, not for %q", full, rec.OS, rec.Architecture, platform)
		}
		return rec, err
	}
	return nil, last
}

// pin gives the name with the digest of the image for the session's platform.
func (s *Session) pin(ctx context.Context, full string) (string, error) {
	ref, err := dockerRef(full)
	if err != nil {
		return "", err
	}
	r, err := layer.ParseReference(full)
	if err != nil {
		return "", err
	}
	src, err := ref.NewImageSource(ctx, s.contextFor(ctx, r.Domain))
	if err != nil {
		return "", err
	}
	defer src.Close()
	blob, mime, err := image.UnparsedInstance(src, nil).Manifest(ctx)
	if err != nil {
		return "", err
	}
	digest, err := manifest.Digest(blob)
	if err != nil {
		return "", err
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(blob, mime)
		if err != nil {
			return "", err
		}
		if digest, err = list.ChooseInstance(s.Context()); err != nil {
			return "", err
		}
	}
	return r.Repository() + "@" + digest.String(), nil
}
