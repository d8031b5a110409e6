package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/manifests"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"skiff/state"
)

// What the store keeps with an index beside the index itself, as Podman does.
const (
	indexSources   = "instances.json"
	indexArtifacts = "artifacts.json"
)

// Bounds of an index. Nobody reads a manifest that is larger.
const (
	mostInstances = 256
	mostManifest  = 4 << 20
)

// Index is a list of images for several platforms (an OCI index, Docker's manifest
// list) while it is read or changed. In the store it is an image whose manifest is
// the index, and without layers.
type Index struct {
	manifests.List
	id string
	// sources say where to get the instances from: docker://… or
	// containers-storage:…@ID. Only what the index names counts.
	sources   map[digest.Digest]string
	artifacts Artifacts
}

// Artifacts are instances that are made of files. Podman reads the same.
type Artifacts struct {
	Manifests map[digest.Digest]string          `json:"manifests,omitempty"` // their manifests
	Files     map[digest.Digest][]string        `json:"files,omitempty"`     // by manifest: the files, absolute
	Configs   map[digest.Digest]digest.Digest   `json:"config,omitempty"`    // by manifest
	Layers    map[digest.Digest][]digest.Digest `json:"layers,omitempty"`    // by manifest
	Detached  map[digest.Digest]string          `json:"detached,omitempty"`  // by blob: the file that holds it
	Blobs     map[digest.Digest][]byte          `json:"blobs,omitempty"`     // by blob: it itself
}

func noArtifacts() Artifacts {
	return Artifacts{
		Manifests: map[digest.Digest]string{}, Files: map[digest.Digest][]string{}, Configs: map[digest.Digest]digest.Digest{},
		Layers: map[digest.Digest][]digest.Digest{}, Detached: map[digest.Digest]string{}, Blobs: map[digest.Digest][]byte{},
	}
}

// Member is what an index says of an instance.
type Member struct {
	Digest       digest.Digest
	Size         int64 // of the manifest, in bytes
	MediaType    string
	ArtifactType string
	Platform     imgspec.Platform
	Features     []string // of the processor; Docker's lists have them
	Annotations  map[string]string
	URLs         []string
	// Source is where it is; empty for an artifact.
	Source string
}

// ErrNotIndex says that an image is one image.
var ErrNotIndex = errors.New("image is not a manifest list")

// ID is the id of the index in the store.
func (x *Index) ID() string { return x.id }

// Source says where an instance is, as Member.Source.
func (x *Index) Source(d digest.Digest) string { return x.sources[d] }

// Artifacts are the instances that are made of files.
func (x *Index) Artifacts() *Artifacts { return &x.artifacts }

// Has reports whether the index names an instance.
func (x *Index) Has(d digest.Digest) bool { return slices.Contains(x.Instances(), d) }

// Put adds an instance, or takes the place of the one with the same digest.
func (x *Index) Put(m Member) error {
	if err := checkMember(m.Digest, m.Size, m.MediaType); err != nil {
		return err
	}
	p := m.Platform
	err := x.AddInstance(m.Digest, m.Size, m.MediaType, p.OS, p.Architecture, p.OSVersion, p.OSFeatures, p.Variant, m.Features, nil)
	if err == nil && len(m.Annotations) > 0 {
		err = x.SetAnnotations(&m.Digest, m.Annotations)
	}
	if err == nil && m.ArtifactType != "" {
		err = x.SetArtifactType(&m.Digest, m.ArtifactType)
	}
	if err == nil && len(m.URLs) > 0 {
		err = x.SetURLs(m.Digest, m.URLs)
	}
	if err != nil {
		return err
	}
	if m.Source != "" {
		x.sources[m.Digest] = m.Source
	}
	return nil
}

// Drop takes an instance away: os.ErrNotExist.
func (x *Index) Drop(d digest.Digest) error {
	if !x.Has(d) {
		return fmt.Errorf("no instance matching digest %q found in manifest list: %w", d, os.ErrNotExist)
	}
	return x.List.Remove(d)
}

// checkMember refuses what no index may say.
func checkMember(d digest.Digest, size int64, mime string) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("invalid digest %q of an instance", shorten(d.String()))
	}
	if size < 0 || size > mostManifest {
		return fmt.Errorf("instance %s says that its manifest has %d bytes", d, size)
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		return fmt.Errorf("instance %s is an index itself: an index of indexes is not supported", d)
	}
	return nil
}

// shorten keeps what a stranger wrote to a length that can be shown.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// ParseIndex reads an index and refuses what would be trouble later.
func ParseIndex(blob []byte) (manifests.List, error) {
	if len(blob) > mostManifest {
		return nil, fmt.Errorf("the index has %d bytes: %d is the most", len(blob), mostManifest)
	}
	list, err := manifests.FromBlob(blob)
	if errors.Is(err, manifests.ErrManifestTypeNotSupported) {
		return nil, ErrNotIndex
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the index: %v", err)
	}
	described := list.OCIv1().Manifests
	if len(described) > mostInstances {
		return nil, fmt.Errorf("the index names %d images: %d is the most", len(described), mostInstances)
	}
	seen := map[digest.Digest]bool{}
	for _, m := range described {
		if err := checkMember(m.Digest, m.Size, m.MediaType); err != nil {
			return nil, err
		}
		if seen[m.Digest] {
			return nil, fmt.Errorf("the index names %s twice", m.Digest)
		}
		seen[m.Digest] = true
	}
	return list, nil
}

// Index reads an index of the store: ErrNotIndex.
func (s *Store) Index(id string) (*Index, error) {
	blob, err := s.s.ImageBigData(id, storage.ImageDigestBigDataKey)
	if err != nil {
		return nil, fmt.Errorf("image %s has no manifest: %w", id, err)
	}
	list, err := ParseIndex(blob)
	if err != nil {
		return nil, err
	}
	x := &Index{List: list, id: id, sources: map[digest.Digest]string{}, artifacts: noArtifacts()}
	for key, to := range map[string]any{indexSources: &x.sources, indexArtifacts: &x.artifacts} {
		data, err := s.s.ImageBigData(id, key)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			return nil, fmt.Errorf("index %s: cannot read where its images are: %w", id, err)
		}
	}
	return x, nil
}

// data is what the store keeps with an index. The index itself goes last: what it
// names must not lack its source after a crash.
func (x *Index) data() ([]storage.ImageBigDataOption, error) {
	if n := len(x.Instances()); n > mostInstances {
		return nil, fmt.Errorf("the list would have %d images: %d is the most", n, mostInstances)
	}
	x.forget()
	blob, err := x.Serialize("")
	if err != nil {
		return nil, err
	}
	if len(blob) > mostManifest {
		return nil, fmt.Errorf("the list would have %d bytes: %d is the most", len(blob), mostManifest)
	}
	sources, err := json.Marshal(x.sources)
	if err != nil {
		return nil, err
	}
	artifacts, err := json.Marshal(x.artifacts)
	if err != nil {
		return nil, err
	}
	return []storage.ImageBigDataOption{
		{Key: indexSources, Data: sources},
		{Key: indexArtifacts, Data: artifacts},
		{Key: storage.ImageDigestBigDataKey, Data: blob, Digest: digest.FromBytes(blob)},
	}, nil
}

// forget drops what is known of instances that are gone.
func (x *Index) forget() {
	for d := range x.sources {
		if !x.Has(d) {
			delete(x.sources, d)
		}
	}
	a := &x.artifacts
	kept := map[digest.Digest]bool{}
	for d := range a.Manifests {
		if !x.Has(d) {
			delete(a.Manifests, d)
			delete(a.Files, d)
			delete(a.Configs, d)
			delete(a.Layers, d)
			continue
		}
		kept[a.Configs[d]] = true
		for _, l := range a.Layers[d] {
			kept[l] = true
		}
	}
	for d := range a.Detached {
		if !kept[d] {
			delete(a.Detached, d)
		}
	}
	for d := range a.Blobs {
		if !kept[d] {
			delete(a.Blobs, d)
		}
	}
}

// Indexes gives the indexes that the store keeps with an image: those from which
// it was pulled.
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

// indexRecord makes the record of an index.
func (s *Store) indexRecord(img *storage.Image, mime string) (*state.Image, error) {
	x, err := s.Index(img.ID)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.ID, err)
	}
	rec := &state.Image{
		Version: state.ImageVersion, ID: img.ID, Digest: img.Digest.String(), Created: img.Created,
		ManifestType: manifest.NormalizedMIMEType(mime), Annotations: x.OCIv1().Annotations, ReadOnly: img.ReadOnly,
		Index: &state.Index{Instances: []state.Instance{}},
	}
	rec.Names, rec.RepoDigests = splitNames(img)
	rec.NamesHistory = pastNames(img)
	for _, size := range img.BigDataSizes {
		rec.Size += max(size, 0)
	}
	for _, m := range x.OCIv1().Manifests {
		i := state.Instance{Digest: m.Digest.String(), ArtifactType: m.ArtifactType}
		if p := m.Platform; p != nil {
			i.OS, i.Architecture, i.Variant, i.OSVersion = p.OS, p.Architecture, p.Variant, p.OSVersion
		}
		if source := x.sources[m.Digest]; strings.HasPrefix(source, "docker://") {
			i.Source = source
		}
		rec.Index.Instances = append(rec.Index.Instances, i)
	}
	return rec, nil
}
