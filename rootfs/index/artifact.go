package index

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/store"
)

const unknownArtifact = "application/vnd.unknown.artifact.v1"

// artifact is an instance made of files, which stay where they are.
type artifact struct {
	manifest imgspec.Manifest
	blob     []byte // the manifest
	digest   digest.Digest
	config   []byte
	files    map[digest.Digest]string
	paths    []string
}

// artifact makes the manifest of an artifact of the files.
func (w *work) artifact(ctx context.Context, files []string) (*artifact, error) {
	want := w.do.Artifact
	subject, err := w.subject(ctx)
	if err != nil {
		return nil, err
	}
	a := &artifact{config: want.Config, files: map[digest.Digest]string{}, manifest: imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest,
		ArtifactType: unknownArtifact, Subject: subject,
	}}
	if want.Type != nil {
		a.manifest.ArtifactType = *want.Type
	}
	configType := imgspec.MediaTypeImageConfig
	if len(a.config) == 0 {
		a.config, configType = imgspec.DescriptorEmptyJSON.Data, imgspec.MediaTypeEmptyJSON
	}
	if want.ConfigType != "" {
		configType = want.ConfigType
	}
	a.manifest.Config = imgspec.Descriptor{
		MediaType: configType, Digest: digest.FromBytes(a.config), Size: int64(len(a.config)), Data: a.config,
	}
	for _, path := range files {
		if err := a.addFile(path, want.LayerType, !want.NoTitles); err != nil {
			return nil, err
		}
	}
	if a.blob, err = json.Marshal(a.manifest); err != nil {
		return nil, err
	}
	a.digest = digest.FromBytes(a.blob)
	return a, nil
}

// addFile reads a file for its digest and its type.
func (a *artifact) addFile(path, mediaType string, title bool) error {
	if err := regular(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read the artifact: %w", err)
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("cannot read the artifact: %w", err)
	}
	head = head[:n]
	sum := digest.Canonical.Digester()
	size, err := io.Copy(sum.Hash(), io.MultiReader(bytes.NewReader(head), f))
	if err != nil {
		return fmt.Errorf("cannot read the artifact: %w", err)
	}
	if mediaType == "" {
		mediaType = typeOf(path, head)
	}
	d := imgspec.Descriptor{MediaType: mediaType, Digest: sum.Digest(), Size: size}
	if title {
		d.Annotations = map[string]string{imgspec.AnnotationTitle: filepath.Base(path)}
	}
	a.manifest.Layers = append(a.manifest.Layers, d)
	a.files[d.Digest] = path
	a.paths = append(a.paths, path)
	return nil
}

// regular refuses what is no file, and would be read for ever.
func regular(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read the artifact: %w", err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("cannot read the artifact: %s is not a regular file", path)
	}
	return nil
}

// typeOf is a file's media type without parameters, by its name or its beginning.
func typeOf(path string, head []byte) string {
	t := mime.TypeByExtension(filepath.Ext(path))
	if t == "" {
		t = http.DetectContentType(head)
	}
	if bare, _, err := mime.ParseMediaType(t); err == nil {
		return bare
	}
	return t
}

// addTo adds the artifact to an index.
func (a *artifact) addTo(x *store.Index) error {
	m := store.Member{Digest: a.digest, Size: int64(len(a.blob)), MediaType: a.manifest.MediaType, ArtifactType: a.manifest.ArtifactType}
	if err := x.Put(m); err != nil {
		return err
	}
	known := x.Artifacts()
	known.Manifests[a.digest] = string(a.blob)
	known.Configs[a.digest] = a.manifest.Config.Digest
	known.Blobs[a.manifest.Config.Digest] = a.config
	known.Files[a.digest] = a.paths
	known.Layers[a.digest] = nil
	for _, l := range a.manifest.Layers {
		known.Layers[a.digest] = append(known.Layers[a.digest], l.Digest)
		known.Detached[l.Digest] = a.files[l.Digest]
	}
	return nil
}

// layout shows an artifact as an OCI layout in the spool directory, with links to
// the files. What they hold is compared with the digests when it is read.
func (w *work) layout(all *store.Artifacts, d digest.Digest) (types.ImageReference, error) {
	dir, err := os.MkdirTemp(w.Store.SpoolDir(), "artifact-")
	if err != nil {
		return nil, err
	}
	text := all.Manifests[d]
	if digest.FromString(text) != d {
		return nil, fmt.Errorf("the artifact %s is not what its digest says", d)
	}
	put := func(d digest.Digest, data []byte) error {
		if err := d.Validate(); err != nil {
			return err
		}
		path := filepath.Join(dir, imgspec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	}
	if err := put(d, []byte(text)); err != nil {
		return nil, err
	}
	for _, b := range slices.Concat([]digest.Digest{all.Configs[d]}, all.Layers[d]) {
		if path := all.Detached[b]; path != "" {
			err = linkTo(dir, b, path)
		} else {
			err = put(b, all.Blobs[b])
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use the artifact %s: %w", d, err)
		}
	}
	top, err := json.Marshal(imgspec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex,
		Manifests: []imgspec.Descriptor{{MediaType: imgspec.MediaTypeImageManifest, Digest: d, Size: int64(len(text))}},
	})
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{imgspec.ImageIndexFile: top, imgspec.ImageLayoutFile: []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, err
		}
	}
	return layout.NewReference(dir, "")
}

func linkTo(dir string, d digest.Digest, path string) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if err := regular(path); err != nil {
		return err
	}
	link := filepath.Join(dir, imgspec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
	if _, err := os.Lstat(link); err == nil {
		return nil
	}
	return os.Symlink(path, link)
}
