package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"skiff/state/lock"
)

// Create makes an image with one layer, unpacked from the uncompressed tar
// archive, and writes its record. config gives the image's configuration once
// the layer's digest is known. changed says that the image is a new one.
func (s *Store) Create(ctx context.Context, tree io.Reader, names []string, config func(diffID string) ([]byte, error)) (id string, changed bool, err error) {
	release, err := s.HoldLayers()
	if err != nil {
		return "", false, err
	}
	defer release()
	l, _, err := s.s.PutLayer("", "", nil, "", false, nil, tree)
	if err != nil {
		return "", false, err
	}
	defer func() {
		if err != nil || !changed {
			_ = s.s.DeleteLayer(l.ID)
		}
	}()
	blob, err := config(l.UncompressedDigest.String())
	if err != nil {
		return "", false, err
	}
	id = digest.FromBytes(blob).Encoded()
	options, err := imageData(blob, l)
	if err != nil {
		return "", false, err
	}
	rl, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return "", false, err
	}
	defer rl.Release()
	_, err = s.s.CreateImage(id, nil, l.ID, "", options)
	changed = err == nil
	if errors.Is(err, storage.ErrDuplicateID) {
		err = nil // the same bytes at the same second
	}
	if err != nil {
		return "", false, fmt.Errorf("cannot add the image: %w", err)
	}
	if len(names) > 0 {
		if err := s.s.AddNames(id, slices.Clone(names)); err != nil {
			return "", changed, err
		}
	}
	if err := s.syncLocked(ctx); err != nil {
		return id, changed, err
	}
	return id, changed, s.refused[id]
}

// imageData is what the store keeps with the image, under the keys by which the
// registry stack looks for it.
func imageData(config []byte, l *storage.Layer) (*storage.ImageOptions, error) {
	manifest, err := json.Marshal(imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imgspec.MediaTypeImageManifest,
		Config: imgspec.Descriptor{
			MediaType: imgspec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config)),
		},
		Layers: []imgspec.Descriptor{{
			MediaType: imgspec.MediaTypeImageLayer, Digest: l.UncompressedDigest, Size: l.UncompressedSize,
		}},
	})
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
