package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/safepath"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// missingLayer is a layer's directory that an image has in its record only.
func missingLayer(img *state.Image) string {
	for _, dir := range img.Layers {
		if !isDir(dir) {
			return dir
		}
	}
	return ""
}

// checkImages compares the image records with the store.
func (e *Engine) checkImages(opt CheckOptions) ([]Finding, error) {
	images, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	sync := func(ctx context.Context) error {
		res, err := e.ImageCall(ctx, imagecall.Request{Op: imagecall.OpSync, All: true}, Streams{})
		return errors.Join(append(ToolErrors(res), err)...)
	}
	var found []Finding
	used := map[string]bool{}
	for _, img := range images {
		for _, dir := range img.Layers {
			used[layerName(dir)] = true
		}
		thing := "image " + short(img.ID)
		if dir := missingLayer(img); dir != "" {
			found = append(found, Finding{Thing: thing, What: "without its layer " + dir, lossy: true, repair: func(ctx context.Context) error {
				res, err := e.ImageRemove(ctx, []string{img.ID}, ImageRemoveOptions{Force: true}, Streams{})
				return errors.Join(append(ToolErrors(res), err)...)
			}})
		}
	}
	names, err := os.ReadDir(e.Roots.ImageNames())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return found, err
	}
	for _, entry := range names {
		id, err := os.ReadFile(filepath.Join(e.Roots.ImageNames(), entry.Name()))
		if err == nil && state.IsID(string(id)) && !jsonfile.Exists(e.Roots.Image(string(id))) {
			found = append(found, Finding{Thing: "image name " + entry.Name(), What: "that of no image", repair: sync})
		}
	}
	if opt.Quick || lock.Held(e.Roots.ImageLayersLock()) {
		return found, nil // somebody pulls: there are layers before there is an image
	}
	layers, err := os.ReadDir(filepath.Join(e.Roots.Storage(), "overlay"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return found, err
	}
	for _, entry := range layers {
		if name := entry.Name(); state.IsID(name) && !used[name] {
			found = append(found, Finding{Thing: "layer " + short(name), What: "one that no image has", repair: func(ctx context.Context) error {
				return errors.Join(sync(ctx), e.dropLayer(name))
			}})
		}
	}
	return found, nil
}

// dropLayer removes a layer's directory that even the store knows nothing of,
// unless an image is being added.
func (e *Engine) dropLayer(name string) error {
	l, err := lock.Try(e.Roots.ImageLayersLock())
	if errors.Is(err, lock.ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	if data, err := os.ReadFile(filepath.Join(e.Roots.Storage(), "overlay-layers", "layers.json")); err == nil && strings.Contains(string(data), name) {
		return nil
	}
	return safepath.RemoveAll(filepath.Join(e.Roots.Storage(), "overlay", name))
}

// layerName is the layer that a directory such as overlay/ID/diff belongs to.
func layerName(dir string) string {
	if filepath.Base(dir) == "diff" {
		dir = filepath.Dir(dir)
	}
	return filepath.Base(dir)
}
