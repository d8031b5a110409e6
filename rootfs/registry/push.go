package registry

import (
	"context"
	"fmt"
	"os"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
)

// Push sends an image to a registry, or to another place that has a transport,
// under the name dest; "" is the image's own. With Request.AllTags all names of
// the repository are pushed.
func (s *Session) Push(ctx context.Context, ref, dest string) ([]imagecall.Image, error) {
	if s.Req.AllTags {
		return s.pushAllTags(ctx, ref, dest)
	}
	img, err := s.push(ctx, ref, dest)
	if err != nil {
		return nil, err
	}
	return []imagecall.Image{*img}, nil
}

func (s *Session) push(ctx context.Context, ref, dest string) (*imagecall.Image, error) {
	rec, full, err := s.Store.Images().Lookup(ref)
	if err != nil {
		return nil, err
	}
	if rec.Index != nil {
		return nil, fmt.Errorf("cannot push %s: it is a list of images: use manifest push", ref)
	}
	if dest == "" {
		if full == rec.ID {
			return nil, fmt.Errorf("cannot push image %s: name the destination", ref)
		}
		dest = full
	}
	src, err := s.Store.ReferenceByID(rec.ID)
	if err != nil {
		return nil, err
	}
	dst, sys, name, err := s.destination(ctx, dest)
	if err != nil {
		return nil, err
	}
	blob, err := s.send(ctx, name, src, dst, sys)
	if err != nil {
		return nil, &Failed{"push", name, err}
	}
	digest, err := manifest.Digest(blob)
	if err != nil {
		return nil, &Failed{"push", name, err}
	}
	if err := s.writeDigest(digest.String()); err != nil {
		return nil, err
	}
	return &imagecall.Image{ID: rec.ID, Name: name, Digest: digest.String()}, nil
}

func (s *Session) writeDigest(digest string) error {
	if s.Req.DigestFile == "" {
		return nil
	}
	if err := os.WriteFile(s.Req.DigestFile, []byte(digest), 0o644); err != nil {
		return fmt.Errorf("cannot write the digest: %w", err)
	}
	return nil
}

// destination takes apart what the user named as where to push to.
func (s *Session) destination(ctx context.Context, dest string) (types.ImageReference, *types.SystemContext, string, error) {
	if ref, ok, err := fileReference(dest); ok || err != nil {
		return ref, s.Context(), dest, err
	}
	full, err := layer.Normalize(strings.TrimPrefix(dest, "docker://"))
	if err != nil {
		return nil, nil, "", err
	}
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil, nil, "", err
	}
	if s.ByDigest {
		full = r.Repository()
		ref, err := dockerRef(full + docker.UnknownDigestSuffix)
		return ref, s.contextFor(ctx, r.Domain), full, err
	}
	ref, err := dockerRef(full)
	return ref, s.contextFor(ctx, r.Domain), full, err
}

func (s *Session) send(ctx context.Context, name string, src, dst types.ImageReference, sys *types.SystemContext) ([]byte, error) {
	mime, err := manifestType(s.Req.ManifestFormat)
	if err != nil {
		return nil, err
	}
	options := &copy.Options{
		ReportWriter:           s.Report,
		SourceCtx:              s.Context(),
		DestinationCtx:         sys,
		RemoveSignatures:       s.Req.RemoveSignatures,
		ForceManifestMIMEType:  mime,
		ForceCompressionFormat: s.Req.CompressionFormat != "" && s.Req.CompressionFormat != Uncompressed && !s.KeepCompressed,
		PreserveDigests:        s.Req.CompressionFormat == Uncompressed,
	}
	var blob []byte
	err = s.retry(ctx, name, func() error {
		blob, err = copy.Image(ctx, s.out, dst, src, options)
		return err
	})
	return blob, err
}

// manifestType is the media type of a --format of push.
func manifestType(format string) (string, error) {
	switch format {
	case "":
		return "", nil
	case "oci":
		return imgspec.MediaTypeImageManifest, nil
	case "v2s2", "docker":
		return manifest.DockerV2Schema2MediaType, nil
	case "v2s1":
		return manifest.DockerV2Schema1SignedMediaType, nil
	}
	return "", fmt.Errorf("unknown manifest format %q: use oci, v2s2 or v2s1", format)
}

func (s *Session) pushAllTags(ctx context.Context, ref, dest string) ([]imagecall.Image, error) {
	r, err := layer.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	if r.Tag != "" || r.Digest != "" || dest != "" {
		return nil, fmt.Errorf("cannot push all tags of %q: give one name without a tag", ref)
	}
	images, err := s.Store.Images().List()
	if err != nil {
		return nil, err
	}
	repositories := []string{r.Repository()}
	if r.Domain == "" {
		repositories = []string{r.In("localhost").Repository(), r.In("docker.io").Repository()}
	}
	var pushed []imagecall.Image
	for _, repository := range repositories {
		for _, rec := range images {
			for _, name := range rec.Names {
				if tag, ok := strings.CutPrefix(name, repository+":"); !ok || strings.Contains(tag, "/") {
					continue
				}
				img, err := s.push(ctx, name, "")
				if err != nil {
					return pushed, err
				}
				pushed = append(pushed, *img)
			}
		}
		if len(pushed) > 0 {
			return pushed, nil
		}
	}
	return nil, layer.Unknown(ref)
}
