package build

import (
	"context"

	"skiff/rootfs/build/progress"
	"skiff/rootfs/imagecall"
)

// export hands the results over: into the image store if nothing else is asked.
func (b *Builder) export(ctx context.Context, results []*result) (imagecall.Result, error) {
	var res imagecall.Result
	for _, r := range results {
		err := b.vertex(progress.Vertex{ID: key("export", r.key), Name: "exporting to image"}, func(vertical) error {
			img, err := b.toStore(ctx, r.stageResult, b.opt.Tags)
			res.Images = append(res.Images, img)
			return err
		})
		if err != nil {
			return res, err
		}
	}
	return res, nil
}

func (b *Builder) exportCache(ctx context.Context, results []*result) error { return nil }

func (b *Builder) warn(rec any) {}
