package index

import (
	"context"
	"errors"
	"maps"
	"slices"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// compose makes an index of images in registries and sends it to Index.Tags. What it
// is made of goes along where it is in another repository. One index alone is sent as it
// is, with its digest. Nothing stays here.
func (w *work) compose(ctx context.Context, sources []string) (sent []imagecall.Image, doc []byte, err error) {
	if len(w.do.Tags) == 0 && !w.do.DryRun {
		return nil, nil, errors.New("cannot make the image: say with --tag where it goes")
	}
	if one, err := w.alone(ctx, sources); one != nil || err != nil {
		if err != nil {
			return nil, nil, err
		}
		defer one.Close()
		return w.copyAlone(ctx, one)
	}
	w.do.All = true // what an index has is taken whole
	members, err := w.composed(ctx, sources)
	if err != nil {
		return nil, nil, err
	}
	rec, err := w.Store.MakeIndex(ctx, store.NewIndex{}, func(x *store.Index) error {
		if len(w.do.Annotations) > 0 {
			if err := x.SetAnnotations(nil, w.do.Annotations); err != nil {
				return err
			}
		}
		return putAll(x, members)
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if rerr := w.discard(ctx, rec); err == nil {
			err = rerr
		}
	}()
	x, err := w.Store.Index(rec.ID)
	if err != nil {
		return nil, nil, err
	}
	blob, err := x.Serialize("")
	if err != nil || w.do.DryRun {
		return nil, blob, err
	}
	for _, tag := range w.do.Tags {
		img, err := w.send(ctx, x, tag)
		if err != nil {
			return sent, nil, err
		}
		sent = append(sent, *img)
	}
	return sent, blob, nil
}

// composed are the instances of the new index, each once, those of the platforms that
// were asked for, with what the request says of them.
func (w *work) composed(ctx context.Context, sources []string) ([]store.Member, error) {
	var all []store.Member
	for _, source := range sources {
		found, err := w.find(ctx, source)
		if err != nil {
			return nil, err
		}
		given, described := w.do.Described[source]
		for _, m := range found {
			if described && len(found) == 1 {
				overrule(&m, given)
			}
			platform := layer.Platform{OS: m.Platform.OS, Architecture: m.Platform.Architecture, Variant: m.Platform.Variant}.String()
			if len(w.do.Platforms) > 0 && !slices.Contains(w.do.Platforms, platform) {
				continue
			}
			m.Annotations = maps.Clone(m.Annotations)
			for of, more := range w.do.MemberAnnotations {
				if of != "" && of != platform {
					continue
				}
				if m.Annotations == nil {
					m.Annotations = map[string]string{}
				}
				maps.Copy(m.Annotations, more)
			}
			if !slices.ContainsFunc(all, func(o store.Member) bool { return o.Digest == m.Digest }) {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("cannot make the image: there is nothing to make it of")
	}
	return all, nil
}

// overrule has a descriptor's words go before those of the image.
func overrule(m *store.Member, given imagecall.Described) {
	if given.OS != "" || given.Architecture != "" {
		m.Platform.OS, m.Platform.Architecture, m.Platform.Variant = given.OS, given.Architecture, given.Variant
	}
	if len(given.Annotations) > 0 {
		m.Annotations = given.Annotations
	}
}

// alone opens the only source if that is to be sent as it is; nil if it is not.
func (w *work) alone(ctx context.Context, sources []string) (*opened, error) {
	if len(sources) != 1 || len(w.do.Annotations)+len(w.do.MemberAnnotations)+len(w.do.Platforms)+len(w.do.Described) > 0 {
		return nil, nil
	}
	at, err := w.open(ctx, sources[0])
	if err != nil {
		return nil, err
	}
	if w.do.Bare || manifest.MIMETypeIsMultiImage(at.mime) {
		return at, nil
	}
	return nil, at.Close()
}

// copyAlone sends an image, or an index with all that it has, without a change.
func (w *work) copyAlone(ctx context.Context, at *opened) (sent []imagecall.Image, doc []byte, err error) {
	if w.do.DryRun {
		return nil, at.blob, nil
	}
	d, err := at.digest()
	if err != nil {
		return nil, nil, err
	}
	for _, tag := range w.do.Tags {
		dst, sys, name, err := w.Destination(ctx, tag)
		if err != nil {
			return sent, nil, err
		}
		options := &copy.Options{
			ReportWriter: w.Report, SourceCtx: at.sys, DestinationCtx: sys, PreserveDigests: true, ImageListSelection: copy.CopyAllImages,
		}
		err = w.Retry(ctx, name, func() error {
			_, err := copy.Image(ctx, w.Out(), dst, at.Reference(), options)
			return err
		})
		if err != nil {
			return sent, nil, &registry.Failed{Verb: "push", Image: name, Err: err}
		}
		sent = append(sent, imagecall.Image{Name: name, Digest: d.String()})
	}
	return sent, at.blob, nil
}

// discard removes an index that was made on the way. It has no name, so a prune
// removes it where this was interrupted.
func (w *work) discard(ctx context.Context, rec *state.Image) error {
	_, err := w.Store.Remove(context.WithoutCancel(ctx), rec.ID, store.RemoveOptions{Index: true, Force: true})
	if err != nil {
		return &registry.Failed{Verb: "remove", Image: rec.ID, Err: err}
	}
	return nil
}
