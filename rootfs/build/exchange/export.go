package exchange

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/layertar"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
)

// Export writes steps to a place: those of the result (mode=min), or all (mode=max),
// which the caller chooses. What the place held before is gone.
func Export(ctx context.Context, s *registry.Session, p imagecall.Place, steps []*cache.Layer) error {
	switch p.Type {
	case "local":
		dir := p.Attrs["dest"]
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot write the build cache: %w", err)
		}
		if err := write(ctx, dir, p, steps, earlier(ctx, s, p)); err != nil {
			return fmt.Errorf("cannot write the build cache to %q: %w", dir, err)
		}
		return nil
	case "registry":
		list, err := names(p)
		if err != nil {
			return err
		}
		known := earlier(ctx, s, p)
		err = send(ctx, s, p, list[0], steps, known)
		if err != nil && len(known) > 0 && ctx.Err() == nil { // the registry has lost what it had
			err = send(ctx, s, p, list[0], steps, nil)
		}
		if err != nil {
			return fmt.Errorf("cannot write the build cache: %w", &registry.Failed{Verb: "push", Image: list[0], Err: err})
		}
		return nil
	case "inline":
		return nil // it is in the image
	}
	return fmt.Errorf("unknown type %q of a cache", p.Type)
}

// send writes a cache beside the image store and from there to a registry.
func send(ctx context.Context, s *registry.Session, p imagecall.Place, full string, steps []*cache.Layer, known map[digest.Digest]imgspec.Descriptor) error {
	dir, err := os.MkdirTemp(s.Store.SpoolDir(), "cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := write(ctx, dir, p, steps, known); err != nil {
		return err
	}
	return s.SendLayout(ctx, dir, full)
}

// earlier are the layers that the place has already, by diff id, compressed in the
// same way.
func earlier(ctx context.Context, s *registry.Session, p imagecall.Place) map[digest.Digest]imgspec.Descriptor {
	at := imagecall.Place{Type: p.Type, Attrs: map[string]string{"ref": p.Attrs["ref"], "src": p.Attrs["dest"]}}
	known := map[digest.Digest]imgspec.Descriptor{}
	i := Open(ctx, s, []imagecall.Place{at}, func(string) {})
	defer i.Close()
	for _, f := range i.steps {
		if !f.step.inlined && f.step.blob.MediaType == layerType(p) {
			known[f.step.DiffID] = f.step.blob
		}
	}
	return known
}

func layerType(p imagecall.Place) string {
	switch p.Attrs["compression"] {
	case "zstd":
		return imgspec.MediaTypeImageLayerZstd
	case "uncompressed":
		return imgspec.MediaTypeImageLayer
	}
	return imgspec.MediaTypeImageLayerGzip
}

// write makes an OCI layout of the steps. Layers that are known are only named.
func write(ctx context.Context, dir string, p imagecall.Place, steps []*cache.Layer, known map[digest.Digest]imgspec.Descriptor) error {
	blobs := filepath.Join(dir, imgspec.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	made := make([]packed, len(steps))
	errs := make([]error, len(steps))
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i, l := range steps {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			made[i], errs[i] = pack(ctx, blobs, p, l, known)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	m := imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Layers: []imgspec.Descriptor{},
	}
	doc := document{Version: documentVersion, Steps: []Step{}}
	at := map[digest.Digest]int{}
	for i, l := range steps {
		n, ok := at[made[i].blob.Digest]
		if !ok {
			n = len(m.Layers)
			at[made[i].blob.Digest] = n
			m.Layers = append(m.Layers, made[i].blob)
		}
		doc.Steps = append(doc.Steps, Step{Key: l.Key, Renews: l.Renews, Title: l.Title, Created: l.Created, Input: l.Input, Layer: n, DiffID: made[i].diffID, Size: made[i].size})
	}
	var err error
	if m.Config, err = writeDocument(blobs, ConfigType, doc); err != nil {
		return err
	}
	top, err := writeDocument(blobs, imgspec.MediaTypeImageManifest, m)
	if err != nil {
		return err
	}
	return writeIndex(dir, top)
}

// packed is a layer as it is in a cache.
type packed struct {
	blob   imgspec.Descriptor
	diffID digest.Digest
	size   int64
}

// pack writes one layer, unless it is known.
func pack(ctx context.Context, blobs string, p imagecall.Place, l *cache.Layer, known map[digest.Digest]imgspec.Descriptor) (out packed, err error) {
	if blob, ok := known[digest.Digest(l.DiffID)]; ok && l.ArchiveSize > 0 {
		return packed{blob, digest.Digest(l.DiffID), l.ArchiveSize}, nil
	}
	f, err := os.CreateTemp(blobs, ".part-")
	if err != nil {
		return out, err
	}
	defer func() {
		f.Close()
		os.Remove(f.Name()) // in case that it has not got its name
	}()
	buffered := bufio.NewWriterSize(f, 256<<10)
	hashed := &counter{w: buffered, hash: digest.SHA256.Digester()}
	w, err := compressor(hashed, p)
	if err != nil {
		return out, err
	}
	res, err := layertar.Write(ctx, w, l.Dir, layertar.Options{})
	if err = errors.Join(err, w.Close(), buffered.Flush(), f.Chmod(0o644)); err != nil {
		return out, fmt.Errorf("%q: %w", l.Title, err)
	}
	out = packed{imgspec.Descriptor{MediaType: layerType(p), Digest: hashed.hash.Digest(), Size: hashed.n}, digest.Digest(res.DiffID), res.Size}
	return out, os.Rename(f.Name(), filepath.Join(blobs, out.blob.Digest.Encoded()))
}

type counter struct {
	w    io.Writer
	hash digest.Digester
	n    int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.hash.Hash().Write(p[:n])
	return n, err
}

func compressor(w io.Writer, p imagecall.Place) (io.WriteCloser, error) {
	level, err := strconv.Atoi(p.Attrs["compression-level"])
	given := err == nil
	switch p.Attrs["compression"] {
	case "zstd":
		o := []zstd.EOption{zstd.WithEncoderConcurrency(1)}
		if given {
			o = append(o, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
		}
		return zstd.NewWriter(w, o...)
	case "uncompressed":
		return plain{w}, nil
	}
	if !given {
		level = gzip.DefaultCompression
	}
	return gzip.NewWriterLevel(w, level)
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

func writeDocument(blobs, mediaType string, v any) (imgspec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return imgspec.Descriptor{}, err
	}
	d := imgspec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, replace(filepath.Join(blobs, d.Digest.Encoded()), data)
}

// writeIndex makes a manifest the only one of a layout. It goes last: until then
// the layout is what it was.
func writeIndex(dir string, top imgspec.Descriptor) error {
	marker, err := json.Marshal(imgspec.ImageLayout{Version: imgspec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	index, err := json.Marshal(imgspec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex, Manifests: []imgspec.Descriptor{top}})
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, imgspec.ImageLayoutFile), marker); err != nil {
		return err
	}
	return replace(filepath.Join(dir, imgspec.ImageIndexFile), index)
}

// replace writes a file that others see whole, or not at all.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
