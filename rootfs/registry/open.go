package registry

import (
	"context"

	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
)

// Remote is where the image of a full name is, and how to talk to its registry.
func (s *Session) Remote(ctx context.Context, full string) (types.ImageReference, *types.SystemContext, error) {
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil, nil, err
	}
	ref, err := dockerRef(full)
	return ref, s.contextFor(ctx, r.Domain), err
}

// Candidates are the full names that a reference may mean at registries, in the
// order in which to try them.
func (s *Session) Candidates(ref string) ([]string, error) { return s.candidates(ref) }

// Destination takes apart what the user named as where to push to: a registry, or
// a place with a transport.
func (s *Session) Destination(ctx context.Context, dest string) (types.ImageReference, *types.SystemContext, string, error) {
	return s.destination(ctx, dest)
}

// Retry does something about an image again, after a pause, as long as it fails for
// a reason that may pass.
func (s *Session) Retry(ctx context.Context, image string, do func() error) error {
	return s.retry(ctx, image, do)
}

// OneLine makes one line without control characters of text that may come from a
// registry or an archive.
func OneLine(text string) string { return oneLine(text) }

// ManifestType is the media type of a --format of push.
func ManifestType(format string) (string, error) { return manifestType(format) }

// WriteDigest writes the digest of what was sent to Request.DigestFile, if there
// is to be one.
func (s *Session) WriteDigest(digest string) error { return s.writeDigest(digest) }
