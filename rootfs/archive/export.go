package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
)

// Export is how images of the store are to be written.
type Export struct {
	// Images are the ids of one image for each of several platforms, or of one.
	Images []ExportImage
	// Names are full names.
	Names []string
	// Output is a file, - for standard output, or with Directory a directory.
	Output    string
	Directory bool
	// Docker makes an archive of Docker's form, which holds one image, instead of
	// an OCI layout.
	Docker bool
	// Compression is gzip, zstd or uncompressed, empty for gzip; Level is its own.
	Compression string
	Level       *int
	// Annotations are those of an index of several images.
	Annotations map[string]string
}

// ExportImage is an image of the store.
type ExportImage struct {
	ID       string
	Platform imgspec.Platform
}

// WriteExport writes images. A file appears when it is complete, or not at all.
func WriteExport(ctx context.Context, s *registry.Session, e Export) error {
	sys := s.Context()
	sys.CompressionLevel = e.Level
	switch e.Compression {
	case "":
	case registry.Uncompressed:
		sys.OCIAcceptUncompressedLayers = true
	default:
		algorithm, err := compression.AlgorithmByName(e.Compression)
		if err != nil {
			return fmt.Errorf("compression %q is not known: use gzip, zstd or uncompressed", e.Compression)
		}
		sys.CompressionFormat = &algorithm
	}
	switch {
	case e.Docker && !e.Directory:
		if len(e.Images) != 1 {
			return fmt.Errorf("an archive of type docker holds one image, not one for each of %d platforms: use type=oci", len(e.Images))
		}
		image := &saved{id: e.Images[0].ID, names: e.Names}
		return ToFile(e.Output, func(path string) error { return saveDocker(ctx, s, []*saved{image}, path) })
	case e.Directory:
		if err := os.MkdirAll(e.Output, 0o755); err != nil {
			return err
		}
		return exportLayout(ctx, s, e, sys, e.Output)
	}
	dir, err := os.MkdirTemp(s.Store.SpoolDir(), "export-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := exportLayout(ctx, s, e, sys, dir); err != nil {
		return err
	}
	return ToFile(e.Output, func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		if err := writeLayout(interruptibleWriter{ctx, f}, dir); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

// exportLayout fills dir with the images and an index.json that names them as
// BuildKit does. What was in an older index.json there is named no more.
func exportLayout(ctx context.Context, s *registry.Session, e Export, sys *types.SystemContext, dir string) error {
	var list []imgspec.Descriptor
	for _, img := range e.Images {
		d, err := exportImage(ctx, s, img.ID, sys, dir)
		if err != nil {
			return err
		}
		if p := img.Platform; p.OS != "" {
			d.Platform = &p
		}
		list = append(list, d)
	}
	top := list[0]
	if len(list) > 1 {
		blob, err := json.Marshal(imgspec.Index{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex, Manifests: list, Annotations: e.Annotations,
		})
		if err != nil {
			return err
		}
		top = imgspec.Descriptor{MediaType: imgspec.MediaTypeImageIndex, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
		if err := os.WriteFile(filepath.Join(dir, imgspec.ImageBlobsDir, "sha256", top.Digest.Encoded()), blob, 0o644); err != nil {
			return err
		}
	}
	index := imgspec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex}
	for _, name := range e.Names {
		d := top
		d.Annotations = map[string]string{containerdName: name}
		if r, err := layer.ParseReference(name); err == nil && r.Tag != "" {
			d.Annotations[imgspec.AnnotationRefName] = r.Tag
		}
		index.Manifests = append(index.Manifests, d)
	}
	if len(e.Names) == 0 {
		index.Manifests = []imgspec.Descriptor{top}
	}
	blob, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, imgspec.ImageIndexFile), blob, 0o644)
}

// exportImage copies an image's blobs into a layout.
func exportImage(ctx context.Context, s *registry.Session, id string, sys *types.SystemContext, dir string) (imgspec.Descriptor, error) {
	var d imgspec.Descriptor
	src, err := s.Store.ReferenceByID(id)
	if err != nil {
		return d, err
	}
	dst, err := layout.NewReference(dir, "")
	if err != nil {
		return d, err
	}
	blob, err := copy.Image(ctx, s.Out(), dst, src, &copy.Options{
		ReportWriter: s.Report, SourceCtx: s.Context(), DestinationCtx: sys, RemoveSignatures: true,
		ForceCompressionFormat: sys.CompressionFormat != nil,
	})
	if err != nil {
		return d, err
	}
	return imgspec.Descriptor{MediaType: manifest.GuessMIMEType(blob), Digest: digest.FromBytes(blob), Size: int64(len(blob))}, nil
}
