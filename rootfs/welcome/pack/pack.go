// Package pack writes small OCI archives: an image made of files that are at
// hand when skiff or its tests are built. The same input gives the same bytes.
//
// Not here: images of containers and stores (the image tool's).
package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Image is what to write.
type Image struct {
	// Name is the full name with tag, such as localhost/web:latest.
	Name string
	// Created is the time that the image and all its files carry.
	Created time.Time
	Config  Config
	Layers  []Layer
}

// Config is what the image asks of its containers.
// OCI image spec: config.md, field config.
type Config struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

// Layer is one layer: what made it, and a function that writes its files.
type Layer struct {
	By    string
	Write func(*Tree) error
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// Media types of the OCI image spec.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// Write writes the image as an OCI archive (an OCI image layout in a tar file).
func Write(w io.Writer, img Image) error {
	out := &archive{tw: tar.NewWriter(w), created: img.Created}
	out.add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	layers := make([]descriptor, 0, len(img.Layers))
	diffs, steps := []string{}, []history{}
	for _, l := range img.Layers {
		blob, diff, err := build(l, img.Created)
		if err != nil {
			return fmt.Errorf("cannot make the layer %q: %w", l.By, err)
		}
		layers = append(layers, out.blob(typeLayer, blob))
		diffs = append(diffs, diff)
		steps = append(steps, history{Created: img.Created, CreatedBy: l.By})
	}
	here := platform{Architecture: runtime.GOARCH, OS: "linux"}
	config := out.json(typeConfig, map[string]any{
		"created": img.Created, "architecture": here.Architecture, "os": here.OS,
		"config": img.Config, "history": steps,
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	manifest := out.json(typeManifest, map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": layers,
	})
	manifest.Platform = &here
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": img.Name}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{manifest},
	})
	if err != nil {
		return err
	}
	out.add("index.json", index)
	if out.err != nil {
		return fmt.Errorf("cannot write the image %s: %w", img.Name, out.err)
	}
	return out.tw.Close()
}

// build gives the compressed layer and the digest of the uncompressed one.
func build(l Layer, created time.Time) (blob []byte, diff string, err error) {
	var buf bytes.Buffer
	zip, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	tree := &Tree{tw: tar.NewWriter(io.MultiWriter(zip, sum)), created: created, dirs: map[string]bool{}}
	if err := l.Write(tree); err != nil {
		return nil, "", err
	}
	if err := tree.tw.Close(); err != nil {
		return nil, "", err
	}
	if err := zip.Close(); err != nil {
		return nil, "", err
	}
	return buf.Bytes(), "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// archive is the tar file; it remembers its first error.
type archive struct {
	tw      *tar.Writer
	created time.Time
	err     error
}

func (a *archive) add(name string, data []byte) {
	if a.err != nil {
		return
	}
	h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: a.created, Typeflag: tar.TypeReg}
	if a.err = a.tw.WriteHeader(h); a.err == nil {
		_, a.err = a.tw.Write(data)
	}
}

func (a *archive) blob(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	a.add("blobs/sha256/"+name, data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + name, Size: len(data)}
}

func (a *archive) json(mediaType string, v any) descriptor {
	data, err := json.Marshal(v)
	if err != nil && a.err == nil {
		a.err = err
	}
	return a.blob(mediaType, data)
}
