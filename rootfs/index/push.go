package index

import (
	"context"
	"fmt"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// Push sends a list with all of its images, as the push of one image is asked for.
// ok says that ref is a list.
func Push(ctx context.Context, s *registry.Session, ref, dest string) (img *imagecall.Image, ok bool, err error) {
	rec, _, err := s.Store.Images().Lookup(ref)
	if err != nil || rec.Index == nil {
		return nil, false, nil
	}
	w := &work{s, &imagecall.Index{Do: imagecall.IndexPush, All: true}}
	img, err = w.push(ctx, ref, dest)
	return img, true, err
}

// push sends a list, and with Index.All its images; what only a registry has goes
// from there.
func (w *work) push(ctx context.Context, list, dest string) (*imagecall.Image, error) {
	rec, full, err := w.Store.LookupIndex(list)
	if err != nil {
		return nil, err
	}
	if dest == "" {
		if full == rec.ID {
			return nil, fmt.Errorf("cannot push list %s: name the destination", list)
		}
		dest = full
	}
	x, err := w.Store.Index(rec.ID)
	if err != nil {
		return nil, err
	}
	img, err := w.send(ctx, x, dest)
	if err != nil {
		return nil, err
	}
	img.ID = rec.ID
	if w.do.Remove {
		err = w.removePushed(ctx, rec)
	}
	return img, err
}

// removePushed removes a list whatever names it has.
func (w *work) removePushed(ctx context.Context, rec *state.Image) error {
	if _, err := w.Store.Remove(ctx, rec.ID, store.RemoveOptions{Index: true, Force: true}); err != nil {
		return fmt.Errorf("the list was pushed, but cannot be removed: %w", err)
	}
	return nil
}

// send copies an index of the store to dest.
func (w *work) send(ctx context.Context, x *store.Index, dest string) (*imagecall.Image, error) {
	options, err := w.options()
	if err != nil {
		return nil, err
	}
	dst, sys, name, err := w.Destination(ctx, dest)
	if err != nil {
		return nil, err
	}
	if w.ByDigest {
		dst = untagged{dst}
	}
	options.DestinationCtx = sys
	if w.do.CompressionLevel != nil {
		sys.CompressionLevel = w.do.CompressionLevel
	}
	var src types.ImageReference
	if w.do.All {
		src, err = w.whole(ctx, x, nil)
	} else {
		src, err = w.bare(x)
	}
	if err != nil {
		return nil, err
	}
	var blob []byte
	err = w.Retry(ctx, name, func() error {
		blob, err = copy.Image(ctx, w.Out(), dst, src, options)
		return err
	})
	if err != nil {
		return nil, &registry.Failed{Verb: "push", Image: name, Err: err}
	}
	digest, err := manifest.Digest(blob)
	if err != nil {
		return nil, err
	}
	if err := w.WriteDigest(digest.String()); err != nil {
		return nil, err
	}
	return &imagecall.Image{Name: name, Digest: digest.String()}, nil
}

func (w *work) options() (*copy.Options, error) {
	mime, err := registry.ManifestType(w.Req.ManifestFormat)
	if err != nil {
		return nil, err
	}
	options := &copy.Options{
		ReportWriter:           w.Report,
		SourceCtx:              w.Context(),
		RemoveSignatures:       w.Req.RemoveSignatures,
		ForceManifestMIMEType:  mime,
		ForceCompressionFormat: w.Req.CompressionFormat != "" && !w.do.KeepCompressed && !w.KeepCompressed,
		ImageListSelection:     copy.CopySpecificImages,
		PreserveDigests:        w.do.Do == imagecall.IndexCompose,
	}
	if w.do.All {
		options.ImageListSelection = copy.CopyAllImages
	}
	for _, name := range w.do.AddCompression {
		algorithm, err := compression.AlgorithmByName(name)
		if err != nil {
			return nil, fmt.Errorf("compression format %q is not known: use gzip, zstd or zstd:chunked", name)
		}
		options.EnsureCompressionVariantsExist = append(options.EnsureCompressionVariantsExist, copy.OptionCompressionVariant{Algorithm: algorithm})
	}
	return options, nil
}
