package layer

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// Images reads the image records below one pair of roots. It takes no lock:
// records and the name index are replaced by rename.
type Images struct {
	Roots dirs.Roots
	// Shared are the stores of others whose images count, too; nil for none. An
	// image of the own store comes before one of the same name or id in these.
	Shared *Shared
}

// Load reads a record by its full id: state.ErrNotFound, state.ErrVersion.
func (im Images) Load(id string) (*state.Image, error) {
	if !state.IsID(id) {
		return nil, fmt.Errorf("image %q: %w", id, state.ErrNotFound)
	}
	img, err := im.loadOwn(id)
	if im.Shared == nil || !errors.Is(err, state.ErrNotFound) {
		return img, err
	}
	if err := im.ready(); err != nil {
		return nil, err
	}
	return im.LoadShared(id)
}

func (im Images) loadOwn(id string) (*state.Image, error) {
	var img state.Image
	if err := jsonfile.Read(im.Roots.Image(id), &img); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("image %s: %w", id, state.ErrNotFound)
		}
		return nil, err
	}
	if img.Version > state.ImageVersion {
		return nil, fmt.Errorf("image %s was stored by a newer skiff: %w", id, state.ErrVersion)
	}
	if img.ID != id {
		return nil, fmt.Errorf("image %s: its record holds the id %q: %w", id, img.ID, state.ErrInvalid)
	}
	return &img, nil
}

// List reads all records, the newest image first. A record that cannot be read
// is left out, so that one broken file does not hide the other images; the
// image tool writes it anew. An image that a shared store has, too, is there
// twice, the own one first.
func (im Images) List() ([]*state.Image, error) {
	ids, err := recordIDs(im.Roots.Images())
	if err != nil {
		return nil, err
	}
	shared, err := im.sharedIDs()
	if err != nil {
		return nil, err
	}
	images := make([]*state.Image, 0, len(ids)+len(shared))
	for _, id := range ids {
		if img, err := im.loadOwn(id); err == nil {
			images = append(images, img)
		}
	}
	for _, id := range shared {
		if img, err := im.LoadShared(id); err == nil {
			images = append(images, img)
		}
	}
	sort.SliceStable(images, func(i, j int) bool { return images[i].Created.After(images[j].Created) })
	return images, nil
}

// ids lists the ids of all images, each once, in order.
func (im Images) ids() ([]string, error) {
	ids, err := recordIDs(im.Roots.Images())
	if err != nil {
		return nil, err
	}
	shared, err := im.sharedIDs()
	if err != nil {
		return nil, err
	}
	ids = append(ids, shared...)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// recordIDs lists the ids of a directory's records in order.
func recordIDs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot list images: %w", err)
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && state.IsID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Lookup finds an image by what a user may call it: a short or full name with
// or without tag, a name with a digest, an id (also with "sha256:" before it)
// or the beginning of one that fits one image only. full is the name by which
// it was found, or the id.
//
// A short name is looked for as localhost/NAME, then as Docker Hub's, then as
// the end of any image's name. A name wins over the beginning of an id.
// Errors are state.ErrNotFound, state.ErrAmbiguous.
func (im Images) Lookup(ref string) (img *state.Image, full string, err error) {
	hex := strings.TrimPrefix(ref, "sha256:")
	if state.IsID(hex) {
		img, err := im.Load(hex)
		if err == nil || !errors.Is(err, state.ErrNotFound) {
			return img, hex, err
		}
	}
	if hex != ref {
		return im.byID(ref, hex)
	}
	r, err := ParseReference(ref)
	if err != nil {
		return nil, "", err
	}
	names := candidates(r)
	for _, name := range names {
		if img := im.byIndex(name); img != nil {
			return img, name, nil
		}
	}
	if img, full, err := im.byScan(ref, r, names); err == nil || !errors.Is(err, state.ErrNotFound) {
		return img, full, err
	}
	return im.byID(ref, ref)
}

// candidates are the full names that a reference may mean here, the best first.
func candidates(r Reference) []string {
	r = r.Complete()
	if r.Domain != "" {
		return []string{r.String()}
	}
	return []string{r.In(localHost).String(), r.In(dockerHub).String()}
}

// IndexFile is the file below the name index that holds the id of the image
// with this full name; "" if the name is too long for a file's.
func IndexFile(roots dirs.Roots, name string) string {
	file := url.PathEscape(name)
	if len(file) > 200 { // room for what jsonfile adds while it writes
		return ""
	}
	return filepath.Join(roots.ImageNames(), file)
}

// byIndex reads the name index and believes it only if the record agrees.
func (im Images) byIndex(name string) *state.Image {
	path := IndexFile(im.Roots, name)
	if path == "" {
		return nil
	}
	id, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	img, err := im.Load(strings.TrimSpace(string(id)))
	if err != nil || !called(img, name) {
		return nil
	}
	return img
}

func called(img *state.Image, name string) bool {
	for _, n := range img.Names {
		if n == name {
			return true
		}
	}
	for _, n := range img.RepoDigests {
		if n == name {
			return true
		}
	}
	return false
}

// byScan looks through all records, for names that the index lacks and for
// short names of other registries.
func (im Images) byScan(ref string, r Reference, names []string) (*state.Image, string, error) {
	images, err := im.List()
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		for _, img := range images {
			if called(img, name) {
				return img, name, nil
			}
		}
	}
	if r.Domain != "" {
		return nil, "", Unknown(ref)
	}
	var found *state.Image
	var full string
	suffix := "/" + r.Complete().String()
	for _, img := range images {
		for _, name := range append(img.Names[:len(img.Names):len(img.Names)], img.RepoDigests...) {
			if !strings.HasSuffix(name, suffix) {
				continue
			}
			if found != nil && found.ID != img.ID {
				return nil, "", fmt.Errorf("more than one image is called %q (%s and %s): %w", ref, full, name, state.ErrAmbiguous)
			}
			if found == nil {
				found, full = img, name
			}
		}
	}
	if found == nil {
		return nil, "", Unknown(ref)
	}
	return found, full, nil
}

func (im Images) byID(ref, prefix string) (*state.Image, string, error) {
	if !isHex(prefix) || len(prefix) > 64 {
		return nil, "", Unknown(ref)
	}
	ids, err := im.ids()
	if err != nil {
		return nil, "", err
	}
	i := sort.SearchStrings(ids, prefix)
	if i == len(ids) || !strings.HasPrefix(ids[i], prefix) {
		return nil, "", Unknown(ref)
	}
	if i+1 < len(ids) && strings.HasPrefix(ids[i+1], prefix) {
		return nil, "", fmt.Errorf("more than one image has an ID that begins with %q: %w", prefix, state.ErrAmbiguous)
	}
	img, err := im.Load(ids[i])
	return img, ids[i], err
}

// Unknown is the error for an image that is not here: state.ErrNotFound, in
// Podman's words, which scripts look for.
func Unknown(ref string) error { return unknownImage(ref) }

type unknownImage string

func (u unknownImage) Error() string { return string(u) + ": image not known" }

// Missing is what is not there.
func (u unknownImage) Missing() (thing, ref string) { return "image", string(u) }

func (unknownImage) Is(target error) bool { return target == state.ErrNotFound }
