// Package index works on lists of images for several platforms: it finds what is
// to be added, shows lists, and sends them to registries.
//
// Not here: how the store keeps a list (rootfs/store), and single images
// (rootfs/registry).
package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
	"skiff/state"
)

// work is one request.
type work struct {
	*registry.Session
	do *imagecall.Index
}

// Do carries out Request.Index and fills in the result.
func Do(ctx context.Context, s *registry.Session, res *imagecall.Result) error {
	if s.Req.Index == nil || len(s.Req.Images) == 0 {
		return errors.New("cannot work on a list: the request is not complete")
	}
	w := &work{s, s.Req.Index}
	list, rest := s.Req.Images[0], s.Req.Images[1:]
	var img *state.Image
	var err error
	switch w.do.Do {
	case imagecall.IndexCreate:
		img, err = w.create(ctx, list, rest)
	case imagecall.IndexAdd:
		img, err = w.add(ctx, list, rest)
	case imagecall.IndexAnnotate:
		img, err = w.annotate(ctx, list, rest)
	case imagecall.IndexDrop:
		img, err = w.drop(ctx, list, rest)
	case imagecall.IndexRemove:
		return w.remove(ctx, res)
	case imagecall.IndexInspect:
		res.Document, err = w.inspect(ctx, list)
		return err
	case imagecall.IndexPush:
		dest := ""
		if len(rest) > 0 {
			dest = rest[0]
		}
		pushed, err := w.push(ctx, list, dest)
		if pushed != nil {
			res.Images = []imagecall.Image{*pushed}
		}
		return err
	case imagecall.IndexCompose:
		res.Images, res.Document, err = w.compose(ctx, s.Req.Images)
		return err
	case imagecall.IndexShow:
		res.Document, err = w.show(ctx, list)
		return err
	default:
		return fmt.Errorf("%q is not known to this image tool", w.do.Do)
	}
	if err == nil {
		res.Images = []imagecall.Image{{ID: img.ID, Digest: img.Digest}}
	}
	return err
}

// create makes a list, with images.
func (w *work) create(ctx context.Context, name string, images []string) (*state.Image, error) {
	if name == "" {
		return nil, errors.New("no name specified for creating a manifest list")
	}
	members, err := w.members(ctx, images)
	if err != nil {
		return nil, err
	}
	return w.Store.MakeIndex(ctx, store.NewIndex{Names: []string{name}, Amend: w.do.Amend}, func(x *store.Index) error {
		if len(w.do.Annotations) > 0 {
			if err := x.SetAnnotations(nil, w.do.Annotations); err != nil {
				return err
			}
		}
		return putAll(x, members)
	})
}

// members looks at images, each of which may be several instances.
func (w *work) members(ctx context.Context, images []string) ([]store.Member, error) {
	var all []store.Member
	for _, image := range images {
		found, err := w.find(ctx, image)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func putAll(x *store.Index, members []store.Member) error {
	for _, m := range members {
		if err := x.Put(m); err != nil {
			return err
		}
	}
	return nil
}

// add adds images, or an artifact made of files, as the request describes them.
func (w *work) add(ctx context.Context, list string, images []string) (*state.Image, error) {
	// Before anything takes long.
	if _, _, err := w.Store.LookupIndex(list); err != nil {
		return nil, err
	}
	if w.do.Artifact != nil {
		a, err := w.artifact(ctx, images)
		if err != nil {
			return nil, err
		}
		return w.Store.EditIndex(ctx, list, func(x *store.Index) error {
			if err := a.addTo(x); err != nil {
				return err
			}
			return w.describe(x, a.digest)
		})
	}
	members, err := w.members(ctx, images)
	if err != nil {
		return nil, err
	}
	if len(members) > len(images) && w.platformSet() {
		return nil, fmt.Errorf("cannot say one platform of %d images: add them, and use manifest annotate for each", len(members))
	}
	return w.Store.EditIndex(ctx, list, func(x *store.Index) error {
		if err := putAll(x, members); err != nil {
			return err
		}
		for _, m := range members {
			if err := w.describe(x, m.Digest); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *work) platformSet() bool {
	d := w.do
	return d.OS != "" || d.Architecture != "" || d.Variant != "" || d.OSVersion != "" || len(d.Features) > 0 || len(d.OSFeatures) > 0
}

// describe changes what the list says of an instance to what the request says.
func (w *work) describe(x *store.Index, d digest.Digest) error {
	var errs []error
	set := func(is bool, err func() error) {
		if is {
			errs = append(errs, err())
		}
	}
	do := w.do
	set(do.OS != "", func() error { return x.SetOS(d, do.OS) })
	set(do.OSVersion != "", func() error { return x.SetOSVersion(d, do.OSVersion) })
	set(len(do.Features) > 0, func() error { return x.SetFeatures(d, do.Features) })
	set(len(do.OSFeatures) > 0, func() error { return x.SetOSFeatures(d, do.OSFeatures) })
	set(do.Architecture != "", func() error { return x.SetArchitecture(d, do.Architecture) })
	// A variant is one of an architecture.
	set(do.Architecture != "" || do.Variant != "", func() error { return x.SetVariant(d, do.Variant) })
	set(len(do.Annotations) > 0, func() error { return x.SetAnnotations(&d, do.Annotations) })
	return errors.Join(errs...)
}

// annotate changes what a list says of itself, or of one of its instances.
func (w *work) annotate(ctx context.Context, list string, rest []string) (*state.Image, error) {
	rec, _, err := w.Store.LookupIndex(list)
	if err != nil {
		return nil, err
	}
	if w.do.Whole {
		return w.annotateWhole(ctx, list)
	}
	if len(rest) != 1 {
		return nil, errors.New("expected an instance digest, image name, or artifact name")
	}
	d, err := w.instance(ctx, rec, rest[0])
	if err != nil {
		return nil, fmt.Errorf("finding instance for %q: %w", rest[0], err)
	}
	return w.Store.EditIndex(ctx, list, func(x *store.Index) error {
		if !x.Has(d) {
			return fmt.Errorf("no instance %s is in the list %s", d, list)
		}
		return w.describe(x, d)
	})
}

func (w *work) annotateWhole(ctx context.Context, list string) (*state.Image, error) {
	subject, err := w.subject(ctx)
	if err != nil {
		return nil, err
	}
	return w.Store.EditIndex(ctx, list, func(x *store.Index) error {
		if len(w.do.Annotations) > 0 {
			if err := x.SetAnnotations(nil, w.do.Annotations); err != nil {
				return err
			}
		}
		if subject != nil {
			return x.SetSubject(subject)
		}
		return nil
	})
}

// drop takes an instance out of a list.
func (w *work) drop(ctx context.Context, list string, rest []string) (*state.Image, error) {
	fail := func(err error) (*state.Image, error) {
		return nil, fmt.Errorf("removing from manifest list %s: %w", list, err)
	}
	if len(rest) != 1 {
		return fail(errors.New("name one instance by its digest"))
	}
	d, err := digest.Parse(rest[0])
	if err != nil {
		return fail(fmt.Errorf("invalid image digest %q: %v", rest[0], err))
	}
	img, err := w.Store.EditIndex(ctx, list, func(x *store.Index) error { return x.Drop(d) })
	if err != nil {
		return fail(err)
	}
	return img, nil
}

// remove removes lists.
func (w *work) remove(ctx context.Context, res *imagecall.Result) error {
	for _, ref := range w.Req.Images {
		removed, err := w.Store.Remove(ctx, ref, store.RemoveOptions{Index: true})
		res.Removed = append(res.Removed, removed...)
		if err != nil && !(w.Req.Ignore && errors.Is(err, state.ErrNotFound)) {
			kind, text := registry.Cause(err)
			res.Failures = append(res.Failures, imagecall.Failure{Kind: kind, Message: text, Image: ref})
		}
	}
	return nil
}

// instance finds the instance that the user means: by its digest, a file of an
// artifact, or an image's name.
func (w *work) instance(ctx context.Context, rec *state.Image, name string) (digest.Digest, error) {
	if d, err := digest.Parse(name); err == nil {
		return d, nil
	}
	x, err := w.Store.Index(rec.ID)
	if err != nil {
		return "", err
	}
	for d, files := range x.Artifacts().Files {
		if slices.ContainsFunc(files, func(f string) bool { return f == name || strings.HasSuffix(f, "/"+name) }) {
			return d, nil
		}
	}
	if img, _, err := w.Store.Images().Lookup(name); err == nil {
		for _, d := range x.Instances() {
			if layer.HasDigest(img, d.String()) {
				return d, nil
			}
		}
	}
	at, err := w.open(ctx, name)
	if err != nil {
		return "", err
	}
	defer at.Close()
	if !manifest.MIMETypeIsMultiImage(at.mime) {
		return at.digest()
	}
	// Of an index it is the image that the list has of it, or the one for this machine.
	list, err := store.ParseIndex(at.blob)
	if err != nil {
		return "", err
	}
	has := slices.DeleteFunc(list.Instances(), func(d digest.Digest) bool { return !x.Has(d) })
	if len(has) == 1 {
		return has[0], nil
	}
	return w.choose(at)
}
