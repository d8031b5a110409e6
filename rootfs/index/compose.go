package index

import (
	"context"
	"encoding/json"
	"fmt"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// compose makes an index of images in registries and sends it to Index.Tags. What it
// is made of goes along where it is in another repository. Nothing stays here.
func (w *work) compose(ctx context.Context, sources []string) (sent []imagecall.Image, doc []byte, err error) {
	if len(w.do.Tags) == 0 && !w.do.DryRun {
		return nil, nil, fmt.Errorf("cannot make the image: say with --tag where it goes")
	}
	if w.do.Amend {
		sources = append(append([]string{}, w.do.Tags...), sources...)
	}
	w.do.All = true // what an index has is taken whole
	members, err := w.members(ctx, sources)
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
		return nil, json.RawMessage(blob), err
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

// discard removes an index that was made on the way. It has no name, so a prune
// removes it where this was interrupted.
func (w *work) discard(ctx context.Context, rec *state.Image) error {
	_, err := w.Store.Remove(ctx, rec.ID, store.RemoveOptions{Index: true, Force: true})
	if err != nil {
		return &registry.Failed{Verb: "remove", Image: rec.ID, Err: err}
	}
	return nil
}
