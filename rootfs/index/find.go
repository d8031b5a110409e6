package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/manifests"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// opened is an image, or an index, somewhere.
type opened struct {
	types.ImageSource
	sys  *types.SystemContext
	blob []byte // its manifest
	mime string
	// source says where the instance with a digest is, as store.Member.Source.
	source func(d digest.Digest) string
}

func (o *opened) digest() (digest.Digest, error) { return manifest.Digest(o.blob) }

// found is opened for an image that is read.
func found(ctx context.Context, src types.ImageSource, sys *types.SystemContext, source func(digest.Digest) string) (*opened, error) {
	blob, mime, err := image.UnparsedInstance(src, nil).Manifest(ctx)
	if err != nil {
		src.Close()
		return nil, err
	}
	return &opened{src, sys, blob, mime, source}, nil
}

// open opens what the user named. A name without a transport is looked for here
// first if it is short or localhost's, since such images are mostly made here; any
// other at its registry, as Podman does, and then here.
func (w *work) open(ctx context.Context, name string) (*opened, error) {
	if ref, ok := strings.CutPrefix(name, "containers-storage:"); ok {
		if id, ok := store.IsLocalSource(name); ok {
			ref = id
		}
		return w.local(ctx, ref)
	}
	if ref, ok := strings.CutPrefix(name, "docker://"); ok {
		return w.remote(ctx, ref)
	}
	if registry.IsFile(name) {
		name, err := absolute(name)
		if err != nil {
			return nil, err
		}
		ref, err := registry.FileReference(name)
		if err != nil {
			return nil, err
		}
		src, err := ref.NewImageSource(ctx, w.Context())
		if err != nil {
			return nil, &registry.Failed{Verb: "read", Image: name, Err: err}
		}
		return found(ctx, src, w.Context(), func(digest.Digest) string { return name })
	}
	r, err := layer.ParseReference(name)
	hex := strings.TrimPrefix(name, "sha256:")
	if err == nil && r.Domain != "" && r.Domain != "localhost" {
		at, err := w.remote(ctx, name)
		if err == nil {
			return at, nil
		}
		if here, lerr := w.local(ctx, name); lerr == nil {
			return here, nil
		}
		return nil, err
	}
	at, lerr := w.local(ctx, name)
	if lerr == nil || !errors.Is(lerr, state.ErrNotFound) || hex != name || err != nil || r.Domain == "localhost" {
		return at, lerr
	}
	return w.remote(ctx, name)
}

// absolute makes the path in TRANSPORT:PATH absolute: a list is used elsewhere, too.
func absolute(name string) (string, error) {
	transport, path, _ := strings.Cut(name, ":")
	if filepath.IsAbs(path) {
		return name, nil
	}
	dir, err := os.Getwd()
	return transport + ":" + filepath.Join(dir, path), err
}

// local opens an image of the store. Of a list it opens the list.
func (w *work) local(ctx context.Context, ref string) (*opened, error) {
	rec, _, err := w.Store.Images().Lookup(ref)
	if err != nil {
		return nil, err
	}
	at, err := w.Store.ReferenceByID(rec.ID)
	if err != nil {
		return nil, err
	}
	source := func(digest.Digest) string { return store.LocalSource(rec.ID) }
	if rec.Index != nil {
		x, err := w.Store.Index(rec.ID)
		if err != nil {
			return nil, err
		}
		source = x.Source
		if at, err = w.whole(ctx, x, nil); err != nil {
			return nil, err
		}
	}
	src, err := at.NewImageSource(ctx, w.Context())
	if err != nil {
		return nil, err
	}
	return found(ctx, src, w.Context(), source)
}

// remote opens an image of a registry.
func (w *work) remote(ctx context.Context, ref string) (*opened, error) {
	names, err := w.Candidates(ref)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, full := range names {
		at, sys, err := w.Remote(ctx, full)
		if err != nil {
			return nil, err
		}
		src, err := at.NewImageSource(ctx, sys)
		if err != nil {
			errs = append(errs, &registry.Failed{Verb: "read", Image: full, Err: err})
			continue
		}
		r, err := layer.ParseReference(full)
		if err != nil {
			return nil, err
		}
		o, err := found(ctx, src, sys, func(d digest.Digest) string {
			return "docker://" + r.Repository() + "@" + d.String()
		})
		if err == nil {
			return o, nil
		}
		errs = append(errs, &registry.Failed{Verb: "read", Image: full, Err: err})
	}
	return nil, errs[0]
}

// find looks at what is to be added: one image, or of an index the one for the
// platform that was asked for, or all.
func (w *work) find(ctx context.Context, name string) ([]store.Member, error) {
	at, err := w.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if !manifest.MIMETypeIsMultiImage(at.mime) {
		d, err := at.digest()
		if err != nil {
			return nil, err
		}
		m := store.Member{Digest: d}
		if err := at.look(ctx, &m, nil); err != nil {
			return nil, fmt.Errorf("cannot add %q: %w", name, err)
		}
		return []store.Member{m}, nil
	}
	list, err := store.ParseIndex(at.blob)
	if errors.Is(err, store.ErrNotIndex) {
		err = errors.New("it is damaged") // it was said to be an index
	}
	if err != nil {
		return nil, fmt.Errorf("cannot add %q: %w", name, err)
	}
	wanted := list.Instances()
	if !w.do.All {
		d, err := w.choose(at)
		if err != nil {
			return nil, fmt.Errorf("cannot add %q: %w", name, err)
		}
		wanted = []digest.Digest{d}
	}
	var members []store.Member
	for i, d := range list.Instances() {
		if !slices.Contains(wanted, d) {
			continue
		}
		m := said(list, i)
		if err := at.look(ctx, &m, &d); err != nil {
			return nil, fmt.Errorf("cannot add %q: %w", name, err)
		}
		members = append(members, m)
	}
	return members, nil
}

// choose gives the instance for the request's platform, else for this machine's.
func (w *work) choose(at *opened) (digest.Digest, error) {
	list, err := manifest.ListFromBlob(at.blob, at.mime)
	if err != nil {
		return "", err
	}
	if w.do.Architecture != "" || w.do.OS != "" {
		sys := *at.sys
		sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = w.do.OS, w.do.Architecture, w.do.Variant
		if d, err := list.ChooseInstance(&sys); err == nil {
			return d, nil
		}
	}
	return list.ChooseInstance(at.sys)
}

// said is what an index says of its instance i.
func said(list manifests.List, i int) store.Member {
	d := list.OCIv1().Manifests[i]
	m := store.Member{Digest: d.Digest, ArtifactType: d.ArtifactType, Annotations: d.Annotations, URLs: d.URLs}
	if d.Platform != nil {
		m.Platform = *d.Platform
	}
	m.Features = list.Docker().Manifests[i].Platform.Features
	return m
}

// look completes a member with what its own manifest says.
func (o *opened) look(ctx context.Context, m *store.Member, instance *digest.Digest) error {
	unparsed := image.UnparsedInstance(o, instance)
	blob, mime, err := unparsed.Manifest(ctx)
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		return fmt.Errorf("%s is an index in an index, which is not supported", m.Digest)
	}
	if m.Size, m.MediaType, m.Source = int64(len(blob)), mime, o.source(m.Digest); m.Source == "" {
		return fmt.Errorf("%s is made of files: add these with --artifact", m.Digest)
	}
	man, err := manifest.FromBlob(blob, mime)
	if err != nil {
		return err
	}
	if mime == imgspec.MediaTypeImageManifest && m.ArtifactType == "" {
		var a struct {
			ArtifactType string `json:"artifactType"`
		}
		if json.Unmarshal(blob, &a) == nil {
			m.ArtifactType = a.ArtifactType
		}
	}
	known := slices.Contains([]string{manifest.DockerV2Schema2ConfigMediaType, imgspec.MediaTypeImageConfig}, man.ConfigInfo().MediaType)
	if m.ArtifactType != "" || !known || m.Platform.OS != "" && m.Platform.Architecture != "" {
		return nil
	}
	img, err := image.FromUnparsedImage(ctx, o.sys, unparsed)
	if err != nil {
		return err
	}
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return err
	}
	if m.Platform.OS == "" {
		m.Platform.OS, m.Platform.OSVersion, m.Platform.OSFeatures = config.OS, config.OSVersion, config.OSFeatures
	}
	if m.Platform.Architecture == "" {
		m.Platform.Architecture, m.Platform.Variant = config.Architecture, config.Variant
	}
	return nil
}

// subject describes the image that Index.Subject names; nil for none.
func (w *work) subject(ctx context.Context) (*imgspec.Descriptor, error) {
	if w.do.Subject == "" {
		return nil, nil
	}
	at, err := w.open(ctx, w.do.Subject)
	if err != nil {
		return nil, fmt.Errorf("cannot use the subject %q: %w", w.do.Subject, err)
	}
	defer at.Close()
	d, err := at.digest()
	if err != nil {
		return nil, err
	}
	s := &imgspec.Descriptor{MediaType: at.mime, Digest: d, Size: int64(len(at.blob))}
	if !manifest.MIMETypeIsMultiImage(at.mime) {
		var a struct {
			ArtifactType string `json:"artifactType"`
		}
		if json.Unmarshal(at.blob, &a) == nil {
			s.ArtifactType = a.ArtifactType
		}
	}
	return s, nil
}
