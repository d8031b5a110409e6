package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/manifests"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"

	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// descriptor is what a document says of an instance: what the OCI's index has and
// what Docker's list has.
type descriptor struct {
	manifest.Schema2Descriptor
	Platform     manifest.Schema2PlatformSpec `json:"platform"`
	Annotations  map[string]string            `json:"annotations,omitempty"`
	ArtifactType string                       `json:"artifactType,omitempty"`
	Data         []byte                       `json:"data,omitempty"`
	Files        []string                     `json:"files,omitempty"`
}

// document is Podman's of a list.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// inspect gives the document of a list that is here, or else at a registry: of what
// is no list the manifest as it is.
func (w *work) inspect(ctx context.Context, name string) ([]byte, error) {
	rec, _, err := w.Store.LookupIndex(strings.TrimPrefix(name, "containers-storage:"))
	switch {
	case err == nil:
		return w.inspectHere(ctx, rec)
	case !errors.Is(err, state.ErrNotFound) && !errors.Is(err, store.ErrNotIndex):
		return nil, err
	}
	at, full, err := w.reach(ctx, strings.TrimPrefix(name, "docker://"))
	if err != nil {
		here, herr := w.local(ctx, name)
		if herr != nil {
			return nil, err
		}
		at, full = here, name // better than nothing
	}
	defer at.Close()
	if w.do.Verbose {
		return w.verbose(ctx, at, full)
	}
	if w.do.Raw || !manifest.MIMETypeIsMultiImage(at.mime) {
		return at.blob, nil
	}
	list, err := store.ParseIndex(at.blob)
	if err != nil {
		return nil, fmt.Errorf("reading image %q: %w", "docker://"+full, err)
	}
	return json.Marshal(shown(list, at.mime, nil))
}

// reach opens an image of a registry. Its error says in Podman's words what was
// being done, which scripts look for.
func (w *work) reach(ctx context.Context, ref string) (*opened, string, error) {
	names, err := w.Candidates(ref)
	if err != nil {
		return nil, "", err
	}
	var errs []error
	for _, full := range names {
		ref, sys, err := w.Remote(ctx, full)
		if err != nil {
			return nil, "", err
		}
		src, err := ref.NewImageSource(ctx, sys)
		if err == nil {
			var at *opened
			if at, err = found(ctx, src, sys, nil); err == nil {
				return at, full, nil
			}
		}
		errs = append(errs, unread(full, err))
	}
	return nil, "", errs[0]
}

// unread is the error for an image that cannot be read at its registry.
func unread(full string, err error) error {
	kind, _ := registry.Cause(err)
	return &registry.Told{Kind: kind, Text: fmt.Sprintf("reading image %q: %s", "docker://"+full, registry.OneLine(err.Error()))}
}

func (w *work) inspectHere(ctx context.Context, rec *state.Image) ([]byte, error) {
	x, err := w.Store.Index(rec.ID)
	if err != nil {
		return nil, err
	}
	if w.do.Verbose {
		at, err := w.local(ctx, rec.ID)
		if err != nil {
			return nil, err
		}
		defer at.Close()
		name := rec.ID
		if len(rec.Names) > 0 {
			name = rec.Names[0]
		}
		return w.verbose(ctx, at, name)
	}
	blob, err := x.Serialize("")
	if err != nil || w.do.Raw {
		return blob, err
	}
	return json.Marshal(shown(x, manifest.GuessMIMEType(blob), x.Artifacts().Files))
}

// shown is a list as a document.
func shown(list manifests.List, mime string, files map[digest.Digest][]string) document {
	docker, oci := list.Docker(), list.OCIv1()
	doc := document{
		SchemaVersion: 2, MediaType: mime, ArtifactType: oci.ArtifactType, Annotations: oci.Annotations, Manifests: []descriptor{},
	}
	for i, m := range oci.Manifests {
		d := docker.Manifests[i]
		doc.Manifests = append(doc.Manifests, descriptor{
			Schema2Descriptor: manifest.Schema2Descriptor{MediaType: m.MediaType, Size: m.Size, Digest: m.Digest, URLs: m.URLs},
			Platform:          d.Platform, Annotations: m.Annotations, ArtifactType: m.ArtifactType, Data: m.Data, Files: files[m.Digest],
		})
	}
	if s := oci.Subject; s != nil {
		doc.Subject = &descriptor{
			Schema2Descriptor: manifest.Schema2Descriptor{MediaType: s.MediaType, Size: s.Size, Digest: s.Digest, URLs: s.URLs},
			Annotations:       s.Annotations, ArtifactType: s.ArtifactType, Data: s.Data,
		}
	}
	return doc
}

// verboseManifest is Docker's document of one image.
type verboseManifest struct {
	Ref              string
	Descriptor       imgspec.Descriptor
	SchemaV2Manifest json.RawMessage `json:",omitempty"`
	OCIManifest      json.RawMessage `json:",omitempty"`
}

// verbose gives Docker's document with the manifests of all images: a list of them
// for an index, and else one.
func (w *work) verbose(ctx context.Context, at *opened, name string) ([]byte, error) {
	if !manifest.MIMETypeIsMultiImage(at.mime) {
		d, err := at.digest()
		if err != nil {
			return nil, err
		}
		m := store.Member{Digest: d}
		one := &opened{at.ImageSource, at.sys, at.blob, at.mime, func(digest.Digest) string { return name }}
		if err := one.look(ctx, &m, nil); err != nil {
			return nil, err
		}
		return json.Marshal(verboseOf(name, m, at.blob))
	}
	list, err := store.ParseIndex(at.blob)
	if err != nil {
		return nil, err
	}
	r, err := layer.ParseReference(name)
	if err != nil {
		return nil, err
	}
	docs := []verboseManifest{}
	for i, d := range list.Instances() {
		blob, mime, err := image.UnparsedInstance(at, &d).Manifest(ctx)
		if err != nil {
			return nil, &registry.Failed{Verb: "read", Image: name, Err: err}
		}
		m := said(list, i)
		m.Size, m.MediaType = int64(len(blob)), mime
		docs = append(docs, verboseOf(r.Repository()+"@"+d.String(), m, blob))
	}
	return json.Marshal(docs)
}

func verboseOf(name string, m store.Member, blob []byte) verboseManifest {
	v := verboseManifest{Ref: name, Descriptor: imgspec.Descriptor{
		MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, ArtifactType: m.ArtifactType, Annotations: m.Annotations, URLs: m.URLs,
	}}
	if m.Platform.OS != "" || m.Platform.Architecture != "" {
		v.Descriptor.Platform = &m.Platform
	}
	if m.MediaType == imgspec.MediaTypeImageManifest {
		v.OCIManifest = blob
	} else {
		v.SchemaV2Manifest = blob
	}
	return v
}
