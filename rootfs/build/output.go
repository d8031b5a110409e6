package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"skiff/rootfs/build/output"
	"skiff/rootfs/build/progress"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// checkOutputs looks at where the result is to go before anything is built.
func (b *Builder) checkOutputs(platforms int) (err error) {
	if len(b.opt.Outputs) == 0 {
		b.opt.Outputs = []imagecall.Place{{Type: output.Image}}
	}
	if b.names, err = fullNames(b.opt.Tags); err != nil {
		return err
	}
	if b.opt.Manifest != "" {
		full, err := fullNames([]string{b.opt.Manifest})
		if err != nil {
			return err
		}
		b.opt.Manifest = full[0]
	}
	if err := output.Check(b.opt.Outputs, platforms); err != nil {
		return err
	}
	b.indexAnnotations = maps.Clone(b.opt.Annotations)
	for _, p := range b.opt.Outputs {
		if epoch, err := output.Epoch(p); err != nil {
			return err
		} else if epoch != nil {
			b.opt.Timestamp = epoch
		}
		if format := output.Format(p); format != "" {
			b.opt.Format = format
		}
		manifest, index := output.Annotations(p)
		b.opt.Annotations = joined(b.opt.Annotations, manifest)
		b.indexAnnotations = joined(b.indexAnnotations, index)
	}
	return nil
}

// joined adds to a map that may be nil.
func joined(to, more map[string]string) map[string]string {
	if to == nil {
		to = map[string]string{}
	}
	maps.Copy(to, more)
	return to
}

func fullNames(given []string) (list []string, err error) {
	for _, g := range given {
		full, err := layer.NormalizeLocal(g)
		switch {
		case err != nil:
			return nil, err
		case strings.Contains(full, "@"):
			return nil, fmt.Errorf("invalid reference %q: an image cannot be given a digest", g)
		}
		if !slices.Contains(list, full) {
			list = append(list, full)
		}
	}
	return list, nil
}

// export hands the results over, to each place in turn.
func (b *Builder) export(ctx context.Context, results []*result) (res imagecall.Result, err error) {
	made := output.Result{Names: b.names, Epoch: b.epoch(), Annotations: b.indexAnnotations, PushIndex: b.PushIndex}
	for _, r := range results {
		if r.stageResult, err = b.squashed(r.stageResult); err != nil {
			return res, fmt.Errorf("cannot squash the layers: %w", err)
		}
		made.Images = append(made.Images, output.Made{Platform: r.platform, Root: func(context.Context) (string, func() error, error) {
			return b.rootOf(r.stageResult)
		}})
	}
	if slices.ContainsFunc(b.opt.Outputs, output.NeedsImage) {
		defer func() { err = errors.Join(err, b.forgetImages(context.WithoutCancel(ctx), made)) }()
		err := b.vertex(progress.Vertex{ID: key("export"), Name: "exporting to image"}, func(v vertical) error {
			return b.makeImages(ctx, v, results, &made, &res)
		})
		if err != nil {
			return res, err
		}
	}
	for _, p := range b.opt.Outputs {
		if !handsOver(p) {
			continue
		}
		err := b.vertex(progress.Vertex{ID: key("output", p.Type, p.Attrs["dest"]), Name: "exporting to " + p.Type}, func(v vertical) error {
			var s *registry.Session
			if output.NeedsImage(p) {
				if s, err = b.open(); err != nil {
					return err
				}
			}
			sent, err := output.Write(ctx, s, p, made)
			for _, img := range sent {
				b.pushed = img.Digest
				v.Status("pushing manifest for "+img.Name+"@"+img.Digest, 1, 1)
			}
			return err
		})
		if err != nil {
			return res, fmt.Errorf("cannot export to %s: %w", p.Type, err)
		}
	}
	return res, nil
}

// forgetImages removes what this build has put into the store only to hand it over.
func (b *Builder) forgetImages(ctx context.Context, made output.Result) error {
	if b.opt.Manifest != "" || slices.ContainsFunc(b.opt.Outputs, output.InStore) {
		return nil
	}
	s, err := b.open()
	if err != nil {
		return err
	}
	ids := []string{made.Index}
	for _, m := range made.Images {
		ids = append(ids, m.ID)
	}
	for _, id := range ids {
		if !b.added[id] {
			continue
		}
		_, err := s.Store.Remove(ctx, id, store.RemoveOptions{Nameless: true, NoPrune: true})
		if err != nil && !errors.Is(err, state.ErrInUse) && !errors.Is(err, state.ErrNotFound) {
			return fmt.Errorf("cannot remove the image, which was to go elsewhere: %w", err)
		}
	}
	return nil
}

// handsOver reports whether anything is left to do when the image is in the store.
func handsOver(p imagecall.Place) bool {
	push, given := p.Attrs["push"]
	switch p.Type {
	case output.Image:
		return given && push != "false"
	case output.Docker:
		return p.Attrs["dest"] != ""
	}
	return true
}

// makeImages makes images of the results, and an index of several.
func (b *Builder) makeImages(ctx context.Context, v vertical, results []*result, made *output.Result, res *imagecall.Result) error {
	names, err := b.storeNames()
	if err != nil {
		return err
	}
	var members []store.Instance
	for i, r := range results {
		own := names
		if len(results) > 1 {
			own = nil // they are the index's
		}
		img, err := b.toStore(ctx, r.stageResult, own)
		if err != nil {
			return err
		}
		v.Status("writing image sha256:"+img.ID, 1, 1)
		if len(own) > 0 {
			img.Name = own[0]
		}
		made.Images[i].ID, b.added[img.ID] = img.ID, img.Changed
		res.Images = append(res.Images, img)
		members = append(members, store.Instance{Image: img.ID})
	}
	if err := b.makeIndex(ctx, members, names, made, res); err != nil {
		return err
	}
	for _, n := range names {
		v.Status("naming to "+n, 1, 1)
	}
	return nil
}

// storeNames are the names of the image in the store.
func (b *Builder) storeNames() ([]string, error) {
	var all []string
	for _, p := range b.opt.Outputs {
		if !output.InStore(p) {
			continue
		}
		list, err := output.Names(p, b.names)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.SortStableFunc(all, func(x, y string) int { return slices.Index(b.names, x) - slices.Index(b.names, y) })
	return all, nil
}

// makeIndex puts several images into one index, and each into that of --manifest.
func (b *Builder) makeIndex(ctx context.Context, members []store.Instance, names []string, made *output.Result, res *imagecall.Result) error {
	if len(members) > 1 {
		s, err := b.open()
		if err != nil {
			return err
		}
		index, err := s.Store.CreateIndex(ctx, names, members...)
		if err != nil {
			return err
		}
		made.Index, b.added[index.ID] = index.ID, true
		res.Images = []imagecall.Image{{ID: index.ID, Digest: index.Digest, Changed: true}}
		if len(names) > 0 {
			res.Images[0].Name = names[0]
		}
	}
	if b.opt.Manifest == "" {
		return nil
	}
	s, err := b.open()
	if err != nil {
		return err
	}
	for _, m := range members {
		if _, err := s.Store.AddToIndex(ctx, b.opt.Manifest, m); err != nil {
			return fmt.Errorf("cannot add the image to the list %q: %w", b.opt.Manifest, err)
		}
	}
	return nil
}

// rootOf shows the files of a result.
func (b *Builder) rootOf(r *stageResult) (dir string, done func() error, err error) {
	dirs := r.dirs()
	if len(dirs) == 0 {
		return "", nil, errors.New("the result has no files")
	}
	dir, err = b.views.directoryOf(r.key, dirs)
	return dir, func() error { return nil }, err
}
