package store

import (
	"strings"

	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"
)

// Indexes gives the indexes (manifest lists) that the store keeps with an image:
// those from which it was pulled.
func (s *Store) Indexes(id string) [][]byte {
	keys, err := s.s.ListImageBigData(id)
	if err != nil {
		return nil
	}
	var indexes [][]byte
	for _, key := range keys {
		if !strings.HasPrefix(key, storage.ImageDigestManifestBigDataNamePrefix) {
			continue
		}
		blob, err := s.s.ImageBigData(id, key)
		if err == nil && manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(blob)) {
			indexes = append(indexes, blob)
		}
	}
	return indexes
}
