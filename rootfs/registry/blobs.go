package registry

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
)

// maxConfig bounds a configuration in bytes.
const maxConfig = 16 << 20

// Blobs is a manifest at a registry or in an OCI layout, and what it names. Its
// methods may be called by several goroutines.
type Blobs struct {
	Manifest []byte
	// Type is its media type; of an index it is that of the image chosen.
	Type string
	src  types.ImageSource
}

// OpenBlobs opens a full name at a registry.
func (s *Session) OpenBlobs(ctx context.Context, full string) (*Blobs, error) {
	r, err := layer.ParseReference(full)
	if err != nil {
		return nil, err
	}
	ref, err := dockerRef(full)
	if err != nil {
		return nil, err
	}
	return openBlobs(ctx, ref, s.contextFor(ctx, r.Domain))
}

// OpenLayout opens the only manifest of an OCI layout.
func (s *Session) OpenLayout(ctx context.Context, dir string) (*Blobs, error) {
	if _, err := os.Stat(filepath.Join(dir, imgspec.ImageIndexFile)); err != nil {
		return nil, err
	}
	ref, err := layout.NewReference(dir, "")
	if err != nil {
		return nil, err
	}
	return openBlobs(ctx, ref, s.Context())
}

func openBlobs(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (*Blobs, error) {
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	b := &Blobs{src: src}
	if b.Manifest, b.Type, err = src.GetManifest(ctx, nil); err == nil && manifest.MIMETypeIsMultiImage(manifest.NormalizedMIMEType(b.Type)) {
		err = b.choose(ctx, sys)
	}
	if err != nil {
		src.Close()
		return nil, err
	}
	return b, nil
}

// choose takes the image for the session's platform from an index.
func (b *Blobs) choose(ctx context.Context, sys *types.SystemContext) error {
	list, err := manifest.ListFromBlob(b.Manifest, b.Type)
	if err != nil {
		return err
	}
	d, err := list.ChooseInstance(sys)
	if err != nil {
		return err
	}
	if b.Manifest, b.Type, err = b.src.GetManifest(ctx, &d); err != nil {
		return err
	}
	if ok, err := manifest.MatchesDigest(b.Manifest, d); err != nil || !ok {
		return fmt.Errorf("the manifest is not the one with the digest %s", d)
	}
	return nil
}

// Close ends the use of the blobs.
func (b *Blobs) Close() { _ = b.src.Close() }

// Config reads a small blob and checks it.
func (b *Blobs) Config(ctx context.Context, d imgspec.Descriptor) ([]byte, error) {
	if d.Size > maxConfig {
		return nil, fmt.Errorf("the configuration has %d bytes: %d is the most", d.Size, maxConfig)
	}
	r, err := b.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(data) != d.Digest {
		return nil, fmt.Errorf("the configuration is not the one with the digest %s", d.Digest)
	}
	return data, nil
}

// Open opens a blob as it is stored. It may be anything: the reader checks it.
func (b *Blobs) Open(ctx context.Context, d imgspec.Descriptor) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%q is no digest", d.Digest)
	}
	r, _, err := b.src.GetBlob(ctx, types.BlobInfo{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType}, none.NoCache)
	return r, err
}

// Decompress gives what a compressed stream holds, and an uncompressed one itself.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	plain, _, err := compression.AutoDecompress(r)
	return plain, err
}

// SendLayout copies the only manifest of an OCI layout, and what it names, to a
// full name at a registry, as it is. Blobs that are there need not be in the layout.
func (s *Session) SendLayout(ctx context.Context, dir, full string) error {
	src, err := layout.NewReference(dir, "")
	if err != nil {
		return err
	}
	dst, sys, name, err := s.destination(ctx, "docker://"+strings.TrimPrefix(full, "docker://"))
	if err != nil {
		return err
	}
	return s.retry(ctx, name, func() error {
		_, err := copy.Image(ctx, s.out, dst, src, &copy.Options{
			ReportWriter: io.Discard, SourceCtx: s.Context(), DestinationCtx: sys, PreserveDigests: true, RemoveSignatures: true,
		})
		return err
	})
}
