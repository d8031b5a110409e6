package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	dockertypes "go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"skiff/state/lock"
)

// NewImage is an image to make of a tree of files.
type NewImage struct {
	// Base is the id of the image whose layers are below the new one; may be empty.
	Base string
	// Squash takes only the base's configuration: Tree is all there is.
	Squash bool
	// Tree is the new layer as an uncompressed tar archive.
	Tree  io.Reader
	Names []string
	// Docker makes a manifest of Docker's type instead of the OCI's.
	Docker bool
	// Config gives the image's configuration from the base's (nil without a base)
	// and the digest of the new layer.
	Config func(base []byte, diffID string) ([]byte, error)
}

// Create makes an image with one more layer than its base has, and writes its
// record. changed says that the image is a new one.
func (s *Store) Create(ctx context.Context, n NewImage) (id string, changed bool, err error) {
	release, err := s.HoldLayers()
	if err != nil {
		return "", false, err
	}
	defer release()
	base, top, err := s.base(ctx, n.Base)
	if err != nil {
		return "", false, err
	}
	if n.Squash {
		top = ""
	}
	top, diffID, made, err := s.putTree(top, n.Tree)
	if err != nil {
		return "", false, err
	}
	defer func() {
		if made && (err != nil || !changed) {
			_ = s.s.DeleteLayer(top)
		}
	}()
	blob, err := n.Config(base, diffID.String())
	if err != nil {
		return "", false, err
	}
	return s.add(ctx, newImage{config: blob, top: top, names: n.Names, docker: n.Docker})
}

// putTree adds a layer from an archive, which it keeps until its digest and with
// that the layer's id are known. made says that the store did not have the layer.
func (s *Store) putTree(parent string, tree io.Reader) (id string, d digest.Digest, made bool, err error) {
	f, err := os.CreateTemp(s.SpoolDir(), "layer-")
	if err != nil {
		return "", "", false, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return "", "", false, err
	}
	sum := digest.Canonical.Digester()
	if _, err := io.Copy(io.MultiWriter(f, sum.Hash()), tree); err != nil {
		return "", "", false, err
	}
	d = sum.Digest()
	if have := s.layerOn(parent, d); have != "" {
		return have, d, false, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", "", false, err
	}
	l, _, err := s.s.PutLayer(s.layerID(parent, d), parent, nil, "", false, nil, f)
	if err != nil {
		return "", "", false, err
	}
	return l.ID, l.UncompressedDigest, true, nil
}

// newImage is an image whose layers are in the store.
type newImage struct {
	config      []byte
	top         string // the top layer, or none
	names       []string
	docker      bool
	annotations map[string]string
}

// add adds an image and writes its record. changed says that the store did not
// have it.
func (s *Store) add(ctx context.Context, n newImage) (id string, changed bool, err error) {
	id = digest.FromBytes(n.config).Encoded()
	chain, err := s.chain(n.top)
	if err != nil {
		return "", false, err
	}
	options, err := imageData(n, chain)
	if err != nil {
		return "", false, err
	}
	rl, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return "", false, err
	}
	defer rl.Release()
	_, err = s.s.CreateImage(id, nil, n.top, "", options)
	changed = err == nil
	if errors.Is(err, storage.ErrDuplicateID) {
		err = s.retype(id, options) // the same bytes, perhaps with a manifest of the other type
	}
	if err != nil {
		return "", false, fmt.Errorf("cannot add the image: %w", err)
	}
	if len(n.names) > 0 {
		if err := s.s.AddNames(id, slices.Clone(n.names)); err != nil {
			return "", changed, err
		}
	}
	if err := s.syncLocked(ctx); err != nil {
		return id, changed, err
	}
	return id, changed, s.refused[id]
}

// retype gives an image that is there the manifest that was asked for now: the
// same image can be made for Docker and for the OCI.
func (s *Store) retype(id string, o *storage.ImageOptions) error {
	old, err := s.s.ImageBigData(id, storage.ImageDigestBigDataKey)
	if err != nil {
		return err
	}
	last := o.BigData[len(o.BigData)-1]
	if bytes.Equal(old, last.Data) {
		return nil
	}
	for _, b := range o.BigData[1:] {
		if err := s.s.SetImageBigData(id, b.Key, b.Data, manifestDigest); err != nil {
			return err
		}
	}
	return nil
}

func manifestDigest(blob []byte) (digest.Digest, error) { return dockertypes.Digest(blob) }

// base gives an image's configuration and top layer; nothing for no image.
func (s *Store) base(ctx context.Context, id string) (config []byte, top string, err error) {
	if id == "" {
		return nil, "", nil
	}
	img, err := s.stored(id)
	if err != nil {
		return nil, "", err
	}
	blob, err := s.s.ImageBigData(id, storage.ImageDigestBigDataKey)
	if err != nil {
		return nil, "", fmt.Errorf("image %s has no manifest: %w", id, err)
	}
	man, err := dockertypes.FromBlob(blob, dockertypes.GuessMIMEType(blob))
	if err != nil {
		return nil, "", fmt.Errorf("image %s: cannot read the manifest: %w", id, err)
	}
	if d := man.ConfigInfo().Digest; d != "" {
		config, err = s.s.ImageBigData(id, d.String())
	} else {
		config, err = s.convertedConfig(ctx, id)
	}
	if err != nil {
		return nil, "", fmt.Errorf("image %s: cannot read the configuration: %w", id, err)
	}
	return config, img.TopLayer, nil
}

// chain gives a layer and those below it, the lowest first.
func (s *Store) chain(top string) ([]*storage.Layer, error) {
	var chain []*storage.Layer
	for id := top; id != ""; {
		l, err := s.s.Layer(id)
		if err != nil {
			return nil, err
		}
		if l.UncompressedDigest == "" {
			return nil, fmt.Errorf("layer %s has no digest of its content", id)
		}
		chain = append(chain, l)
		id = l.Parent
	}
	slices.Reverse(chain)
	return chain, nil
}

// imageData is what the store keeps with the image, under the keys by which the
// registry stack looks for it.
func imageData(n newImage, chain []*storage.Layer) (*storage.ImageOptions, error) {
	config := n.config
	whole, conf, tree := imgspec.MediaTypeImageManifest, imgspec.MediaTypeImageConfig, imgspec.MediaTypeImageLayer
	if n.docker {
		whole, conf, tree = dockertypes.DockerV2Schema2MediaType, dockertypes.DockerV2Schema2ConfigMediaType, dockertypes.DockerV2SchemaLayerMediaTypeUncompressed
	}
	m := imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: whole,
		Config: imgspec.Descriptor{MediaType: conf, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: []imgspec.Descriptor{},
	}
	if !n.docker { // Docker's manifests have none
		m.Annotations = n.annotations
	}
	for _, l := range chain {
		m.Layers = append(m.Layers, imgspec.Descriptor{MediaType: tree, Digest: l.UncompressedDigest, Size: l.UncompressedSize})
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	d := digest.FromBytes(manifest)
	return &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
		{Key: digest.FromBytes(config).String(), Data: config, Digest: digest.FromBytes(config)},
		{Key: storage.ImageDigestManifestBigDataNamePrefix + "-" + d.String(), Data: manifest, Digest: d},
		{Key: storage.ImageDigestBigDataKey, Data: manifest, Digest: d},
	}}, nil
}
