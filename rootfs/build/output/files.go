package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/archive"
	"skiff/rootfs/build/layertar"
	"skiff/rootfs/copytree"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
)

// writeLocal writes the files into a directory, in one below it for each of several
// platforms. What else is there stays.
func writeLocal(ctx context.Context, p imagecall.Place, r Result) error {
	dest := p.Attrs["dest"]
	split, err := flag(p, "platform-split", len(r.Images) > 1)
	if err != nil {
		return err
	}
	for _, m := range r.Images {
		to := dest
		if split {
			to = filepath.Join(dest, platformName(m.Platform))
		}
		if err := copyRoot(ctx, m, to); err != nil {
			return fmt.Errorf("cannot write the files to %q: %w", to, err)
		}
	}
	return nil
}

// platformName is such as linux_arm64 or linux_arm_v7.
func platformName(p imgspec.Platform) string {
	name := p.OS + "_" + p.Architecture
	if p.Variant != "" {
		name += "_" + p.Variant
	}
	return strings.ReplaceAll(name, "/", "_")
}

func copyRoot(ctx context.Context, m Made, dest string) (err error) {
	dir, done, err := m.Root(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	from, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Open(dest)
	if err != nil {
		return err
	}
	defer to.Close()
	o := copytree.Options{Replace: true, KeepTop: true}
	if layer.InUserNamespace() {
		// All files are to be the user's, who could not remove others' later.
		o.Owner = func(uint32, uint32) (uint32, uint32) { return 0, 0 }
	}
	return copytree.Copy(from, to, o)
}

// writeTar writes the files as one archive.
func writeTar(ctx context.Context, p imagecall.Place, r Result) (err error) {
	dest := p.Attrs["dest"]
	var trees []layertar.Tree
	for _, m := range r.Images {
		dir, done, err := m.Root(ctx)
		if err != nil {
			return err
		}
		defer done()
		t := layertar.Tree{Dir: dir}
		if len(r.Images) > 1 {
			t.Prefix = platformName(m.Platform) + "/"
		}
		trees = append(trees, t)
	}
	err = archive.ToFile(dest, func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		if _, err := layertar.WriteTrees(ctx, f, trees, layertar.Options{Epoch: r.Epoch}); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
	if err != nil {
		return fmt.Errorf("cannot write the files to %s: %w", place(dest), err)
	}
	return nil
}
