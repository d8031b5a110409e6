package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Media types of the Docker and the OCI formats.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar"
)

// Layer is one layer of a test image.
type Layer struct {
	// Tar is the uncompressed archive.
	Tar []byte
	// Compression is gzip, zstd or empty for none.
	Compression string
}

// Image is a test image.
type Image struct {
	Layers []Layer
	// Config is the field config of the image's configuration.
	Config map[string]any
	// Docker makes it Docker's schema 2 instead of the OCI's format.
	Docker       bool
	Architecture string // amd64 if empty
	Annotations  map[string]string
}

// Built is an image as blobs.
type Built struct {
	Manifest, Config []byte
	Type             string // of the manifest
	Blobs            [][]byte
	DiffIDs          []string
	Image            Image
}

// Digest is the digest of bytes as sha256:<hex>.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ID is the image's id.
func (b *Built) ID() string { return strings.TrimPrefix(Digest(b.Config), "sha256:") }

// Build makes the blobs of an image.
func (img Image) Build(t testing.TB) *Built {
	t.Helper()
	b := &Built{Type: ociManifest, Image: img}
	configType, layerType := ociConfig, ociLayer
	if img.Docker {
		b.Type, configType, layerType = dockerManifest, dockerConfig, dockerLayer
	}
	layers := []map[string]any{}
	history := []map[string]any{}
	for _, l := range img.Layers {
		blob, suffix := compress(t, l, img.Docker)
		b.Blobs = append(b.Blobs, blob)
		b.DiffIDs = append(b.DiffIDs, Digest(l.Tar))
		layers = append(layers, map[string]any{"mediaType": layerType + suffix, "digest": Digest(blob), "size": len(blob)})
		history = append(history, map[string]any{"created": "2024-01-02T03:04:05Z", "created_by": "test layer"})
	}
	arch := img.Architecture
	if arch == "" {
		arch = "amd64"
	}
	b.Config = encode(t, map[string]any{
		"created": "2024-01-02T03:04:05Z", "architecture": arch, "os": "linux", "author": "tester",
		"config": img.Config, "history": history,
		"rootfs": map[string]any{"type": "layers", "diff_ids": b.DiffIDs},
	})
	manifest := map[string]any{
		"schemaVersion": 2, "mediaType": b.Type, "layers": layers,
		"config": map[string]any{"mediaType": configType, "digest": Digest(b.Config), "size": len(b.Config)},
	}
	if img.Annotations != nil {
		manifest["annotations"] = img.Annotations
	}
	b.Manifest = encode(t, manifest)
	return b
}

func compress(t testing.TB, l Layer, docker bool) (blob []byte, suffix string) {
	var buf bytes.Buffer
	var w io.WriteCloser
	switch l.Compression {
	case "":
		return l.Tar, ""
	case "gzip":
		w, suffix = gzip.NewWriter(&buf), "+gzip"
		if docker {
			suffix = ".gzip"
		}
	case "zstd":
		z, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w, suffix = z, "+zstd"
	default:
		t.Fatalf("compression %q", l.Compression)
	}
	if _, err := w.Write(l.Tar); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), suffix
}

func encode(t testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// File is one entry of a layer.
type File struct {
	tar.Header
	Content string
}

// Tar makes an archive of entries as they are, without a look at their names.
func Tar(t testing.TB, files ...File) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := f.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(f.Content))
		}
		h.ModTime = time.Unix(1700000000, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.Content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Push puts the image into the registry as repository:tag.
func (s *Server) Push(t testing.TB, repository, tag string, b *Built) {
	t.Helper()
	for _, blob := range append(b.Blobs, b.Config) {
		s.PushBlob(t, repository, Digest(blob), blob)
	}
	s.PushManifest(t, repository, tag, b.Type, b.Manifest)
}

// PushIndex puts images for several architectures under one tag, and gives the
// index's digest.
func (s *Server) PushIndex(t testing.TB, repository, tag string, images ...*Built) string {
	t.Helper()
	mime := ociIndex
	var list []map[string]any
	for _, b := range images {
		if b.Image.Docker {
			mime = dockerList
		}
		s.Push(t, repository, Digest(b.Manifest), b)
		arch := b.Image.Architecture
		if arch == "" {
			arch = "amd64"
		}
		list = append(list, map[string]any{
			"mediaType": b.Type, "digest": Digest(b.Manifest), "size": len(b.Manifest),
			"platform": map[string]any{"os": "linux", "architecture": arch},
		})
	}
	index := encode(t, map[string]any{"schemaVersion": 2, "mediaType": mime, "manifests": list})
	s.PushManifest(t, repository, tag, mime, index)
	return Digest(index)
}

// PushManifest puts a manifest under a tag or a digest.
func (s *Server) PushManifest(t testing.TB, repository, tag, mime string, manifest []byte) {
	t.Helper()
	s.send(t, http.MethodPut, s.url("/v2/"+repository+"/manifests/"+tag), mime, manifest, http.StatusCreated)
}

// PushBlob puts a blob, whose digest the registry checks.
func (s *Server) PushBlob(t testing.TB, repository, digest string, blob []byte) {
	t.Helper()
	resp := s.send(t, http.MethodPost, s.url("/v2/"+repository+"/blobs/uploads/"), "", nil, http.StatusAccepted)
	place := resp.Header.Get("Location")
	if strings.HasPrefix(place, "/") {
		place = s.url(place)
	}
	separator := "?"
	if strings.Contains(place, "?") {
		separator = "&"
	}
	s.send(t, http.MethodPut, place+separator+"digest="+digest, "application/octet-stream", blob, http.StatusCreated)
}

func (s *Server) send(t testing.TB, method, url, mime string, body []byte, want int) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if mime != "" {
		req.Header.Set("Content-Type", mime)
	}
	if s.o.User != "" {
		req.SetBasicAuth(s.o.User, s.o.Password)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return resp
}

// DockerArchive makes the archive that docker save makes of the image.
func (b *Built) DockerArchive(t testing.TB, tags ...string) []byte {
	t.Helper()
	files := []File{}
	var layers []string
	for i, l := range b.Image.Layers {
		name := strings.TrimPrefix(b.DiffIDs[i], "sha256:") + "/layer.tar"
		layers = append(layers, name)
		files = append(files, File{Header: tar.Header{Name: name}, Content: string(l.Tar)})
	}
	manifest := encode(t, []map[string]any{{"Config": b.ID() + ".json", "RepoTags": tags, "Layers": layers}})
	files = append(files,
		File{Header: tar.Header{Name: b.ID() + ".json"}, Content: string(b.Config)},
		File{Header: tar.Header{Name: "manifest.json"}, Content: string(manifest)})
	return Tar(t, files...)
}

// Blob is where the registry keeps a blob, for tests that damage it.
func (s *Server) Blob(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return s.Blobs + "/docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data"
}
