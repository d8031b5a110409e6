package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/manifests"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"skiff/rootfs/layer"
	"skiff/state"
	"skiff/state/jsonfile"
	"skiff/state/lock"
)

// NewIndex says what an index to be made is like.
type NewIndex struct {
	// Names are the user's; a short one becomes localhost's.
	Names []string
	// Replace moves names that other images have; else these are an error.
	Replace bool
	// Amend changes the index that has the first name already.
	Amend bool
}

// Instance is an image of the store for an index.
type Instance struct {
	Image string // its id
	// Platform is os/arch[/variant] where the index is to say something else than
	// the image does.
	Platform    string
	Annotations map[string]string
}

// NameInUse says that a name is another image's.
type NameInUse struct{ Name, ID string }

func (e *NameInUse) Error() string {
	return fmt.Sprintf("image name %q is already associated with image %q: that name is already in use", e.Name, e.ID)
}

// CreateIndex makes an index of images of the store. Its names are taken away from
// the images that have them.
func (s *Store) CreateIndex(ctx context.Context, names []string, instances ...Instance) (*state.Image, error) {
	return s.MakeIndex(ctx, NewIndex{Names: names, Replace: true}, func(x *Index) error { return s.putInstances(x, instances) })
}

// AddToIndex adds an image of the store to the index of this name, which is made
// if there is none.
func (s *Store) AddToIndex(ctx context.Context, list string, i Instance) (*state.Image, error) {
	return s.MakeIndex(ctx, NewIndex{Names: []string{list}, Amend: true}, func(x *Index) error { return s.putInstances(x, []Instance{i}) })
}

// MakeIndex makes an index and has change fill it, before anybody sees it.
func (s *Store) MakeIndex(ctx context.Context, n NewIndex, change func(*Index) error) (*state.Image, error) {
	full := make([]string, len(n.Names))
	for i, name := range n.Names {
		r, err := layer.ParseReference(name)
		if err != nil {
			return nil, err
		}
		if r.Digest != "" {
			return nil, fmt.Errorf("cannot make %q: a name with a digest is made by a registry only", name)
		}
		if full[i], err = layer.NormalizeLocal(name); err != nil {
			return nil, err
		}
	}
	release, err := s.HoldLayers()
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return nil, err
	}
	defer l.Release()
	for i, name := range full {
		rec, found, err := s.images.Lookup(name)
		if errors.Is(err, state.ErrNotFound) || err == nil && found != name {
			continue
		}
		if err != nil {
			return nil, err
		}
		if i == 0 && n.Amend && rec.Index != nil {
			return s.editLocked(ctx, rec, name, change)
		}
		if n.Amend {
			return nil, fmt.Errorf("%s: %w", name, ErrNotIndex)
		}
		if !n.Replace {
			return nil, &NameInUse{name, rec.ID}
		}
	}
	return s.addIndex(ctx, full, change)
}

// addIndex makes a new index. It gets its names last: until then nobody meets it.
func (s *Store) addIndex(ctx context.Context, names []string, change func(*Index) error) (_ *state.Image, err error) {
	x := &Index{List: manifests.Create(), sources: map[digest.Digest]string{}, artifacts: noArtifacts()}
	if err := change(x); err != nil {
		return nil, err
	}
	data, err := x.data()
	if err != nil {
		return nil, err
	}
	img, err := s.s.CreateImage("", nil, "", "", &storage.ImageOptions{BigData: data})
	if err != nil {
		return nil, fmt.Errorf("cannot add the list: %w", err)
	}
	defer func() {
		if err != nil {
			_, derr := s.s.DeleteImage(img.ID, true)
			err = errors.Join(err, derr)
		}
	}()
	if len(names) > 0 {
		if err := s.s.AddNames(img.ID, names); err != nil {
			return nil, err
		}
	}
	if err := s.syncLocked(ctx); err != nil {
		return nil, err
	}
	return s.images.Load(img.ID)
}

// EditIndex has change change an index. Whatever takes long, such as asking a
// registry, is to be done before.
func (s *Store) EditIndex(ctx context.Context, ref string, change func(*Index) error) (*state.Image, error) {
	l, err := lock.Take(s.roots.ImageRecordsLock())
	if err != nil {
		return nil, err
	}
	defer l.Release()
	rec, full, err := s.LookupIndex(ref)
	if err != nil {
		return nil, err
	}
	return s.editLocked(ctx, rec, full, change)
}

// LookupIndex finds an index by a name or id: ErrNotIndex.
func (s *Store) LookupIndex(ref string) (*state.Image, string, error) {
	rec, full, err := s.all.Lookup(ref)
	if err == nil && rec.Index == nil {
		err = fmt.Errorf("%s: %w", full, ErrNotIndex)
	}
	return rec, full, err
}

func (s *Store) editLocked(ctx context.Context, rec *state.Image, ref string, change func(*Index) error) (*state.Image, error) {
	if rec.ReadOnly {
		return nil, readOnly(ref, "changed")
	}
	x, err := s.Index(rec.ID)
	if err != nil {
		return nil, err
	}
	if err := change(x); err != nil {
		return nil, err
	}
	data, err := x.data()
	if err != nil {
		return nil, err
	}
	for _, d := range data {
		var sum func([]byte) (digest.Digest, error)
		if d.Key == storage.ImageDigestBigDataKey {
			sum = manifest.Digest
		}
		if err := s.s.SetImageBigData(rec.ID, d.Key, d.Data, sum); err != nil {
			return nil, fmt.Errorf("cannot change the list: %w", err)
		}
	}
	img, err := s.stored(rec.ID)
	if err != nil {
		return nil, err
	}
	// Where instances are is in the record, too, and Sync does not look for it.
	now, err := s.record(ctx, img)
	if err != nil {
		return nil, err
	}
	now.Added = rec.Added
	if err := s.write([]*state.Image{now}, jsonfile.Volatile); err != nil {
		return nil, err
	}
	return now, s.syncLocked(ctx)
}

// putInstances adds images of the store to an index.
func (s *Store) putInstances(x *Index, instances []Instance) error {
	for _, i := range instances {
		m, err := s.member(i)
		if err != nil {
			return err
		}
		if err := x.Put(m); err != nil {
			return err
		}
	}
	return nil
}

// member is what an index says of an image of the store.
func (s *Store) member(i Instance) (m Member, err error) {
	rec, err := s.all.Load(i.Image)
	if err != nil {
		return m, err
	}
	blob, err := s.s.ImageBigData(i.Image, storage.ImageDigestBigDataKey)
	if err != nil {
		return m, fmt.Errorf("image %s has no manifest: %w", i.Image, err)
	}
	m = Member{
		Digest: digest.FromBytes(blob), Size: int64(len(blob)), MediaType: manifest.GuessMIMEType(blob),
		Platform:    imgspec.Platform{OS: rec.OS, Architecture: rec.Architecture, Variant: rec.Variant},
		Annotations: i.Annotations, Source: LocalSource(i.Image),
	}
	if i.Platform != "" {
		p, err := layer.ParsePlatform(i.Platform)
		if err != nil {
			return m, err
		}
		m.Platform = imgspec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
	}
	return m, nil
}

const localSource = "containers-storage:"

// LocalSource is a Member.Source for an image of the store.
func LocalSource(id string) string { return localSource + "@" + id }

// IsLocalSource gives the id, or else the name, of the image of a store that a
// Member.Source means. Podman writes down which store, too.
func IsLocalSource(source string) (ref string, ok bool) {
	rest, ok := strings.CutPrefix(source, localSource)
	if i := strings.LastIndexByte(rest, ']'); i >= 0 {
		rest = rest[i+1:]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 && state.IsID(rest[i+1:]) {
		rest = rest[i+1:]
	}
	return rest, ok
}

// listed are the images that an index among them names. Without a name they are
// not left over, but belong to it.
func listed(images []*state.Image) map[string]bool {
	digests, ids := map[string]bool{}, map[string]bool{}
	for _, list := range images {
		if list.Index == nil {
			continue
		}
		for _, in := range list.Index.Instances {
			digests[in.Digest] = true
		}
	}
	for _, img := range images {
		if len(digests) == 0 {
			break
		}
		for _, name := range append([]string{"@" + img.Digest}, img.RepoDigests...) {
			if _, d, _ := strings.Cut(name, "@"); digests[d] {
				ids[img.ID] = true
			}
		}
	}
	return ids
}
