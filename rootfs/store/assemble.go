package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"

	"skiff/rootfs/build/layertar"
	"skiff/rootfs/copytree"
)

// Assembly is an image to make of layers that are directories already.
type Assembly struct {
	// Base is the id of the image whose layers are the lowest; may be empty.
	Base string
	// Layers come on top of the base's, the lowest first.
	Layers []NewLayer
	// Config is the image's whole configuration. Its diff ids are those of the
	// base's layers and of Layers.
	Config []byte
	Names  []string
	// Docker makes a manifest of Docker's type instead of the OCI's, which has no
	// Annotations.
	Docker      bool
	Annotations map[string]string
}

// NewLayer is a layer as overlay has it: an upper directory, which nobody changes
// any more. The store makes hard links to its files.
type NewLayer struct {
	Dir string
	// DiffID and Size are those of the archive that layertar makes with Epoch.
	DiffID string
	Size   int64
	Epoch  *time.Time
	// TarSplit is what layertar.Digest wrote on the way, nil to have it made where
	// it is needed. Assemble closes it.
	TarSplit *os.File
}

// Assemble makes an image and writes its record. changed says that the store did
// not have it. The files of Layers have reached the disk when it is done.
func (s *Store) Assemble(ctx context.Context, a Assembly) (id string, changed bool, err error) {
	defer func() {
		for _, l := range a.Layers {
			if l.TarSplit != nil {
				l.TarSplit.Close()
			}
		}
	}()
	release, err := s.HoldLayers()
	if err != nil {
		return "", false, err
	}
	defer release()
	_, top, err := s.base(ctx, a.Base)
	if err != nil {
		return "", false, err
	}
	top, made, err := s.stack(ctx, top, a.Layers)
	defer func() {
		if err != nil || !changed {
			for _, l := range slices.Backward(made) {
				_ = s.s.DeleteLayer(l)
			}
		}
	}()
	if err != nil {
		return "", false, err
	}
	return s.add(ctx, newImage{config: a.Config, top: top, names: a.Names, docker: a.Docker, annotations: a.Annotations})
}

// stack puts the layers on top of a layer and gives the highest one, and those
// that the store did not have.
func (s *Store) stack(ctx context.Context, top string, layers []NewLayer) (_ string, made []string, err error) {
	for i := range layers {
		l := &layers[i]
		if err := ctx.Err(); err != nil {
			return "", made, err
		}
		want, err := digest.Parse(l.DiffID)
		if err != nil {
			return "", made, fmt.Errorf("a layer has no digest: %w", err)
		}
		if have := s.layerOn(top, want); have != "" {
			top = have
			continue
		}
		added, err := s.put(ctx, top, l)
		if errors.Is(err, storage.ErrDuplicateID) {
			if have := s.layerOn(top, want); have != "" { // another process was faster
				top = have
				continue
			}
		}
		if err != nil {
			return "", made, fmt.Errorf("cannot add layer %s: %w", l.DiffID, err)
		}
		made = append(made, added.ID)
		if added.UncompressedDigest != want {
			return "", made, fmt.Errorf("layer %s changed while it was added", l.DiffID)
		}
		top = added.ID
	}
	return top, made, nil
}

// layerOn finds a layer by its content and what is below it.
func (s *Store) layerOn(parent string, d digest.Digest) string {
	layers, err := s.s.LayersByUncompressedDigest(d)
	if err != nil {
		return ""
	}
	for _, l := range layers {
		if l.Parent == parent {
			return l.ID
		}
	}
	return ""
}

// layerID is the id of a layer to be made, as pulls and loads choose it. They
// refuse an image that is here already with layers of other ids. Empty, for an id
// by chance, is where that id stands for something else.
func (s *Store) layerID(parent string, d digest.Digest) string {
	id := d.Encoded()
	if parent != "" {
		id = digest.Canonical.FromString(parent + "+" + id).Encoded()
	}
	if s.s.Exists(id) {
		return ""
	}
	return id
}

// put adds one layer: as links where the driver has one directory per layer, or
// else as the archive.
func (s *Store) put(ctx context.Context, parent string, l *NewLayer) (*storage.Layer, error) {
	if driver, err := s.s.GraphDriver(); err != nil || driver.String() != "overlay" {
		return s.putArchive(ctx, parent, l)
	}
	if l.TarSplit == nil {
		if err := s.split(ctx, l); err != nil {
			return nil, err
		}
	}
	out, err := s.s.PrepareStagedLayer(&drivers.ApplyDiffWithDifferOpts{}, &linker{layer: l, bare: parent == ""})
	if err != nil {
		if out != nil && out.Target != "" {
			_ = s.s.CleanupStagedLayer(out)
		}
		return nil, err
	}
	l.TarSplit = nil // closed by what follows
	added, err := s.s.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: s.layerID(parent, digest.Digest(l.DiffID)), ParentLayer: parent,
		DiffOutput: out, DiffOptions: &drivers.ApplyDiffWithDifferOpts{},
	})
	if err != nil {
		return nil, errors.Join(err, s.s.CleanupStagedLayer(out))
	}
	return added, nil
}

// split makes what is missing of a layer whose digest was known already.
func (s *Store) split(ctx context.Context, l *NewLayer) error {
	f, err := os.CreateTemp(s.SpoolDir(), "split-")
	if err != nil {
		return err
	}
	_ = os.Remove(f.Name())
	l.TarSplit = f
	res, err := layertar.Digest(ctx, l.Dir, layertar.Options{Epoch: l.Epoch}, f)
	if err == nil && (res.DiffID != l.DiffID || res.Size != l.Size) {
		err = fmt.Errorf("its files have changed: their digest is %s now", res.DiffID)
	}
	return err
}

func (s *Store) putArchive(ctx context.Context, parent string, l *NewLayer) (*storage.Layer, error) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := layertar.Write(ctx, w, l.Dir, layertar.Options{Epoch: l.Epoch})
		w.CloseWithError(err)
	}()
	added, _, err := s.s.PutLayer(s.layerID(parent, digest.Digest(l.DiffID)), parent, nil, "", false, nil, r)
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	<-done
	return added, err
}

// linker fills a layer of the store with links to the files of another
// directory. It is a drivers.Differ.
type linker struct {
	layer *NewLayer
	bare  bool // nothing is below
}

// Close is called by nobody; there is nothing to close.
func (l *linker) Close() error { return nil }

// ApplyDiff is called by the storage driver with an empty directory.
func (l *linker) ApplyDiff(dest string, _ *archive.TarOptions, o *drivers.DifferOptions) (drivers.DriverWithDifferOutput, error) {
	var none drivers.DriverWithDifferOutput
	if o != nil && o.Format != drivers.DifferOutputFormatDir {
		return none, errors.New("the image store keeps layers in a form that builds cannot make")
	}
	from, err := os.Open(l.layer.Dir)
	if err != nil {
		return none, err
	}
	defer from.Close()
	to, err := os.Open(dest)
	if err != nil {
		return none, err
	}
	defer to.Close()
	if err := copytree.Copy(from, to, copytree.Options{Layer: true, Link: true, Latest: l.layer.Epoch}); err != nil {
		return none, err
	}
	// Archives have no entry for the root directory; the store takes its mode from
	// the layer below.
	var mode *os.FileMode
	if l.bare {
		if err := to.Chmod(0o755); err != nil {
			return none, err
		}
		m := os.FileMode(0o755)
		mode = &m
	}
	return drivers.DriverWithDifferOutput{
		Target: dest, Size: l.layer.Size, UncompressedDigest: digest.Digest(l.layer.DiffID),
		TarSplit: l.layer.TarSplit, RootDirMode: mode,
	}, nil
}
