package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/layertar"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/store"
	"skiff/state"
)

// toStore makes an image of the store of what was built, or finds that it is one.
func (b *Builder) toStore(ctx context.Context, r *stageResult, names []string) (img imagecall.Image, err error) {
	k, err := b.resultKey(r)
	if err != nil {
		return img, err
	}
	if id, ok := b.cache.Result(k); ok {
		if rec, err := b.Images.Load(id); err == nil {
			return imagecall.Image{ID: id, Digest: rec.Digest}, b.addNames(ctx, rec, names)
		}
	}
	s, err := b.open()
	if err != nil {
		return img, err
	}
	layers, err := b.archived(ctx, r.layers)
	if err != nil {
		return img, err
	}
	config, err := b.configOf(r, layers)
	if err != nil {
		return img, err
	}
	a := store.Assembly{Layers: layers, Config: config, Names: names, Docker: b.opt.Format == "docker", Annotations: b.opt.Annotations}
	if r.base != nil && !r.swallowed {
		a.Base = r.base.ID
	}
	id, changed, err := s.Store.Assemble(ctx, a)
	if err != nil {
		return img, err
	}
	img = imagecall.Image{ID: id, Changed: changed}
	if rec, err := b.Images.Load(id); err == nil {
		img.Digest = rec.Digest
	}
	return img, b.cache.Remember(k, id)
}

// addNames gives an image names that it has not got yet, which takes the store.
func (b *Builder) addNames(ctx context.Context, rec *state.Image, names []string) error {
	missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(rec.Names, n) })
	if len(missing) == 0 {
		return nil
	}
	s, err := b.open()
	if err == nil {
		_, err = s.Store.Tag(ctx, rec.ID, missing)
	}
	return err
}

// archived finds the digests of layers, several at once, and has what the store
// wants to know of each. Assemble closes what is open in them.
func (b *Builder) archived(ctx context.Context, list []*cache.Layer) ([]store.NewLayer, error) {
	out := make([]store.NewLayer, len(list))
	errs := make([]error, len(list))
	var group sync.WaitGroup
	for i, l := range list {
		group.Go(func() {
			b.jobs <- struct{}{}
			defer func() { <-b.jobs }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				out[i], errs[i] = b.archive(ctx, l)
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if err == nil {
			continue
		}
		for _, l := range out {
			if l.TarSplit != nil {
				l.TarSplit.Close()
			}
		}
		return nil, fmt.Errorf("cannot read the layer of %q: %w", list[i].Title, err)
	}
	return out, nil
}

// archive finds the digest of one layer. It is remembered in the step's record,
// but for one with other times.
func (b *Builder) archive(ctx context.Context, l *cache.Layer) (n store.NewLayer, err error) {
	n = store.NewLayer{Dir: l.Dir, DiffID: l.DiffID, Size: l.ArchiveSize, Epoch: b.epoch()}
	if n.DiffID != "" && n.Epoch == nil {
		return n, nil
	}
	fd, err := unix.MemfdCreate("tar-split", unix.MFD_CLOEXEC)
	if err != nil {
		return n, err
	}
	n.TarSplit = os.NewFile(uintptr(fd), "tar-split")
	split := bufio.NewWriterSize(n.TarSplit, 64<<10)
	res, err := layertar.Digest(ctx, l.Dir, layertar.Options{Epoch: n.Epoch}, split)
	if err = errors.Join(err, split.Flush()); err != nil {
		return n, err
	}
	n.DiffID, n.Size = res.DiffID, res.Size
	if n.Epoch != nil {
		return n, nil
	}
	l.DiffID, l.ArchiveSize = res.DiffID, res.Size
	return n, b.cache.Update(l)
}

// epoch is the latest time of files in the result, nil for no bound.
func (b *Builder) epoch() *time.Time {
	if b.opt.Timestamp == nil {
		return nil
	}
	t := time.Unix(*b.opt.Timestamp, 0).UTC()
	return &t
}
