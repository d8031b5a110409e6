package index

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/common/pkg/supplemented"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
)

// whole is an index of the store together with its instances, wherever these are.
// With none given it is all of them.
func (w *work) whole(ctx context.Context, x *store.Index, instances []digest.Digest) (types.ImageReference, error) {
	top, err := w.Store.ReferenceByID(x.ID())
	if err != nil {
		return nil, err
	}
	refs, err := w.parts(ctx, x)
	if err != nil {
		return nil, err
	}
	return supplemented.Reference(top, refs, copy.CopyAllImages, instances), nil
}

// bare is an index of the store without its instances.
func (w *work) bare(x *store.Index) (types.ImageReference, error) {
	top, err := w.Store.ReferenceByID(x.ID())
	if err != nil {
		return nil, err
	}
	return supplemented.Reference(top, nil, copy.CopySpecificImages, nil), nil
}

// parts are where the instances of an index are.
func (w *work) parts(ctx context.Context, x *store.Index) ([]types.ImageReference, error) {
	images, err := w.Store.Images().List()
	if err != nil {
		return nil, err
	}
	var refs []types.ImageReference
next:
	for _, d := range x.Instances() {
		if _, ok := x.Artifacts().Manifests[d]; ok {
			ref, err := w.layout(x.Artifacts(), d)
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
			continue
		}
		for _, img := range images {
			if img.Index != nil || !layer.HasDigest(img, d.String()) {
				continue
			}
			ref, err := w.Store.ReferenceByID(img.ID)
			if err != nil {
				return nil, err
			}
			refs = append(refs, &pinned{ref, w.Context(), d})
			continue next
		}
		ref, err := w.elsewhere(ctx, x, d)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// elsewhere is where an instance is that is not here.
func (w *work) elsewhere(ctx context.Context, x *store.Index, d digest.Digest) (types.ImageReference, error) {
	source := x.Source(d)
	if full, ok := strings.CutPrefix(source, "docker://"); ok {
		r, err := layer.ParseReference(full)
		if err != nil {
			return nil, err
		}
		ref, sys, err := w.Remote(ctx, r.Repository()+"@"+d.String())
		if err != nil {
			return nil, err
		}
		return &pinned{ref, sys, ""}, nil
	}
	if registry.IsFile(source) {
		ref, err := registry.FileReference(source)
		if err != nil {
			return nil, err
		}
		return ref, nil
	}
	return nil, fmt.Errorf("the list's image %s is not here any more: remove it from the list, or add it again", d)
}

// pinned is a reference with a context of its own, and if the image has several
// manifests the one that is meant.
type pinned struct {
	types.ImageReference
	sys    *types.SystemContext
	digest digest.Digest
}

func (p *pinned) NewImageSource(ctx context.Context, _ *types.SystemContext) (types.ImageSource, error) {
	src, err := p.ImageReference.NewImageSource(ctx, p.sys)
	if err != nil || p.digest == "" {
		return src, err
	}
	return &pinnedSource{src, p.digest}, nil
}

// pinnedSource gives one of an image's manifests in the place of its main one.
type pinnedSource struct {
	types.ImageSource
	digest digest.Digest
}

func (p *pinnedSource) which(d *digest.Digest) *digest.Digest {
	if d == nil {
		return &p.digest
	}
	return d
}

func (p *pinnedSource) GetManifest(ctx context.Context, d *digest.Digest) ([]byte, string, error) {
	return p.ImageSource.GetManifest(ctx, p.which(d))
}

func (p *pinnedSource) GetSignatures(ctx context.Context, d *digest.Digest) ([][]byte, error) {
	return p.ImageSource.GetSignatures(ctx, p.which(d))
}

func (p *pinnedSource) LayerInfosForCopy(ctx context.Context, d *digest.Digest) ([]types.BlobInfo, error) {
	return p.ImageSource.LayerInfosForCopy(ctx, p.which(d))
}
