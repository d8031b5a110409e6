package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	transport "go.podman.io/image/v5/storage"
	"go.podman.io/storage"

	"skiff/state"
)

// record makes the record of an image of the store. Added is not set.
func (s *Store) record(ctx context.Context, img *storage.Image) (*state.Image, error) {
	blob, err := s.s.ImageBigData(img.ID, storage.ImageDigestBigDataKey)
	if err != nil {
		return nil, fmt.Errorf("image %s has no manifest: %w", img.ID, err)
	}
	mime := manifest.GuessMIMEType(blob)
	if manifest.MIMETypeIsMultiImage(mime) {
		return s.indexRecord(img, mime)
	}
	man, err := manifest.FromBlob(blob, mime)
	if err != nil {
		return nil, fmt.Errorf("image %s: cannot read the manifest: %w", img.ID, err)
	}
	config, err := s.config(ctx, img, man)
	if err != nil {
		return nil, err
	}
	rec := &state.Image{
		Version:      state.ImageVersion,
		ID:           img.ID,
		Digest:       img.Digest.String(),
		ManifestType: manifest.NormalizedMIMEType(mime),
		ReadOnly:     img.ReadOnly,
	}
	rec.Names, rec.RepoDigests = splitNames(img)
	rec.NamesHistory = pastNames(img)
	if rec.Annotations, err = annotations(blob, mime); err != nil {
		return nil, fmt.Errorf("image %s: cannot read the manifest: %w", img.ID, err)
	}
	config.fill(rec, mime)
	if err := s.layers(img, rec); err != nil {
		return nil, err
	}
	return rec, nil
}

// config reads the image's configuration. Docker's first manifest schema has
// none of its own; the registry stack makes one from it.
func (s *Store) config(ctx context.Context, img *storage.Image, man manifest.Manifest) (*imageConfig, error) {
	var c imageConfig
	var blob []byte
	var err error
	if d := man.ConfigInfo().Digest; d != "" {
		blob, err = s.s.ImageBigData(img.ID, d.String())
	} else {
		blob, err = s.convertedConfig(ctx, img.ID)
	}
	if err == nil {
		err = json.Unmarshal(blob, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: cannot read the configuration: %w", img.ID, err)
	}
	return &c, nil
}

func (s *Store) convertedConfig(ctx context.Context, id string) ([]byte, error) {
	ref, err := transport.Transport.NewStoreReference(s.s, nil, id)
	if err != nil {
		return nil, err
	}
	img, err := ref.NewImage(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(config)
}

// splitNames gives the names with a tag, and all names with a digest: those by
// which the image was pulled, and each repository with each of the manifests.
func splitNames(img *storage.Image) (names, digests []string) {
	seen := map[string]bool{}
	add := func(list *[]string, name string) {
		if !seen[name] {
			seen[name] = true
			*list = append(*list, name)
		}
	}
	all := img.Digests
	if img.Digest != "" {
		all = append([]digest.Digest{img.Digest}, all...)
	}
	for _, name := range img.Names {
		repository, given, _ := strings.Cut(name, "@")
		if given != "" {
			add(&digests, name)
		} else {
			add(&names, name)
			if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
				repository = repository[:i] // another program may have left the tag out
			}
		}
		for _, d := range all {
			add(&digests, repository+"@"+d.String())
		}
	}
	sort.Strings(digests)
	return names, digests
}

// pastNames are the names with a tag that the image has or had, the newest first.
func pastNames(img *storage.Image) []string {
	var names []string
	for _, name := range img.NamesHistory {
		if !byDigest(name) {
			names = append(names, name)
		}
	}
	return names
}

func annotations(blob []byte, mime string) (map[string]string, error) {
	if !strings.Contains(mime, "oci") {
		return nil, nil
	}
	var m struct {
		Annotations map[string]string `json:"annotations"`
	}
	err := json.Unmarshal(blob, &m)
	return m.Annotations, err
}

// layers fills in the layers' directories, links and sizes.
func (s *Store) layers(img *storage.Image, rec *state.Image) error {
	var chain []*storage.Layer // the top one first
	for id := img.TopLayer; id != ""; {
		l, err := s.s.Layer(id)
		if err != nil {
			return fmt.Errorf("image %s: layer %s: %w", img.ID, id, err)
		}
		chain = append(chain, l)
		id = l.Parent
	}
	if len(chain) == 0 {
		return nil
	}
	dirs, err := s.layerDirs(img, chain)
	if err != nil {
		return fmt.Errorf("image %s: %w", img.ID, err)
	}
	rec.Layers = dirs
	for i := len(chain) - 1; i >= 0; i-- {
		size := max(chain[i].UncompressedSize, 0)
		rec.LayerSizes = append(rec.LayerSizes, size)
		rec.Size += size
	}
	return nil
}

// layerDirs gives the directories of a chain, the lowest first. The vfs driver
// has the whole tree in each, so there the top one is all.
func (s *Store) layerDirs(img *storage.Image, chain []*storage.Layer) ([]string, error) {
	driver, err := s.s.GraphDriver()
	if err != nil {
		return nil, err
	}
	if img.ReadOnly {
		return s.sharedDirs(chain, driver.String())
	}
	if driver.String() == "vfs" {
		dir, err := s.vfsDir(chain[0].ID)
		return []string{dir}, err
	}
	meta, err := driver.Metadata(chain[0].ID)
	if err != nil {
		return nil, err
	}
	top := []string{meta["UpperDir"]}
	if meta["LowerDir"] != "" {
		top = append(top, strings.Split(meta["LowerDir"], ":")...)
	}
	if len(top) != len(chain) {
		return nil, fmt.Errorf("the store has %d layers on disk and %d in its index", len(top), len(chain))
	}
	dirs := make([]string, len(top))
	for i, dir := range top {
		if _, err := os.Lstat(dir); err != nil {
			return nil, fmt.Errorf("a layer is missing: %w", err)
		}
		dirs[len(top)-1-i] = dir
	}
	return dirs, nil
}

func (s *Store) vfsDir(id string) (string, error) {
	for _, sub := range []string{"dir", "fs"} {
		dir := filepath.Join(s.roots.Storage(), "vfs", sub, id)
		if _, err := os.Lstat(dir); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("layer %s has no directory", id)
}

// added says when an image came to the store that has no record yet: when its
// manifest was written.
func (s *Store) added(id string) time.Time {
	dir, err := s.s.ImageDirectory(id)
	if err == nil {
		var st os.FileInfo
		if st, err = os.Stat(filepath.Dir(dir)); err == nil {
			return st.ModTime()
		}
	}
	return time.Now()
}
