package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/event"
)

// Diff lists what a container changed in its image's files.
func (e *Engine) Diff(ctx context.Context, ref string) ([]layer.Change, error) {
	id, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	return e.changes(ctx, id, FilesRequest{Op: FilesChanges})
}

// ImageDiff lists how the files of an image differ from those of another one;
// without that, from those of the layers below its own. Podman: image diff.
func (e *Engine) ImageDiff(ctx context.Context, ref, other string) ([]layer.Change, error) {
	img, _, err := e.Images.LookupImage(ref, layer.ThisPlatform())
	if err != nil {
		return nil, err
	}
	c := layer.Comparison{New: img.Layers}
	if other != "" {
		with, _, err := e.Images.LookupImage(other, layer.ThisPlatform())
		if err != nil {
			return nil, err
		}
		c.Old = with.Layers
	} else if c.Old, err = e.below(img); err != nil {
		return nil, err
	}
	return e.changes(ctx, "", FilesRequest{Op: FilesChanges, Compare: &c})
}

// below are the layers under an image's own one. With the storage driver vfs a
// layer holds those under it too, and only an image that ends there has them.
func (e *Engine) below(img *state.Image) ([]string, error) {
	n := len(img.Layers)
	if n > 1 || len(img.DiffIDs) <= 1 {
		return img.Layers[:max(n-1, 0)], nil
	}
	all, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if m := len(img.DiffIDs) - 1; len(i.DiffIDs) == m && len(i.Layers) == 1 && i.DiffIDs[m-1] == img.DiffIDs[m-1] {
			return i.Layers, nil
		}
	}
	return nil, fmt.Errorf("cannot compare image %s: the image that it was made from is not here, name another one", img.ID)
}

func (e *Engine) changes(ctx context.Context, id string, req FilesRequest) ([]layer.Change, error) {
	call, err := e.startFiles(ctx, id, req)
	if err != nil {
		return nil, err
	}
	report, err := call.report()
	return report.Changes, errors.Join(err, call.end())
}

// Export writes a container's files, without its volumes and other mounts, as a
// tar archive.
func (e *Engine) Export(ctx context.Context, ref string, out *os.File) error {
	id, err := e.Store.Find(ref)
	if err != nil {
		return err
	}
	call, err := e.startFiles(ctx, id, FilesRequest{Op: FilesExport})
	if err != nil {
		return err
	}
	if _, err := call.report(); err != nil {
		call.end()
		return err
	}
	_, err = io.Copy(out, call.read)
	if err = call.finished(err); err == nil {
		e.noteID(id, event.Export)
	}
	return err
}
