package libpod

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"skiff/state"
)

// imageFilter makes one predicate of the filters of images and image prune.
// intermediate says that a filter asks for intermediate images.
func (e *Engine) imageFilter(filters []Filter) (match predicate[Image], intermediate bool, err error) {
	for _, f := range filters {
		intermediate = intermediate || f.Key == "intermediate" || f.Key == "dangling" || f.Key == "id"
	}
	match, err = combine(filters, func(f Filter) (predicate[Image], error) {
		for _, group := range []func(Filter) (predicate[Image], error){e.imageOrderFilter, imageFactFilter, imageNameFilter} {
			if p, err := group(f); p != nil || err != nil {
				return p, err
			}
		}
		return nil, unknownFilter(f)
	})
	return match, intermediate, err
}

// imageOrderFilter: before, since, after, until.
func (e *Engine) imageOrderFilter(f Filter) (predicate[Image], error) {
	switch f.Key {
	case "before", "since", "after":
		img, _, err := e.Images.Lookup(f.Value)
		if err != nil {
			return nil, err
		}
		if f.Key == "before" {
			return func(i Image) bool { return i.Created.Before(img.Created) }, nil
		}
		return func(i Image) bool { return i.Created.After(img.Created) }, nil
	case "until":
		t, err := ParseMoment(f.Value, time.Now())
		if err != nil {
			return nil, err
		}
		return func(i Image) bool { return i.Created.Before(t) }, nil
	}
	return nil, nil
}

// imageFactFilter: the filters whose value is true or false, and label.
func imageFactFilter(f Filter) (predicate[Image], error) {
	var fact predicate[Image]
	switch f.Key {
	case "label":
		return func(i Image) bool { return matchLabel(i.Config.Labels, f.Value) }, nil
	case "dangling":
		fact = Image.Dangling
	case "intermediate":
		fact = func(i Image) bool { return i.Dangling() && i.HasChildren }
	case "readonly":
		fact = func(i Image) bool { return i.ReadOnly }
	case "manifest":
		fact = func(i Image) bool { return i.Index != nil }
	case "containers":
		if f.Value == "external" {
			return func(Image) bool { return false }, nil
		}
		fact = func(i Image) bool { return i.Containers > 0 }
	default:
		return nil, nil
	}
	want, err := strconv.ParseBool(f.Value)
	if err != nil {
		return nil, badFilter(f, "want true or false")
	}
	return func(i Image) bool { return fact(i) == want }, nil
}

// imageNameFilter: id, digest, reference.
func imageNameFilter(f Filter) (predicate[Image], error) {
	switch f.Key {
	case "id":
		id := strings.TrimPrefix(f.Value, "sha256:")
		return func(i Image) bool { return strings.HasPrefix(i.ID, id) }, nil
	case "digest":
		return func(i Image) bool {
			return strings.HasPrefix(i.Digest, f.Value) || slices.ContainsFunc(i.RepoDigests, func(d string) bool {
				_, digest, _ := strings.Cut(d, "@")
				return strings.HasPrefix(digest, f.Value)
			})
		}, nil
	case "reference":
		if _, err := path.Match(f.Value, ""); err != nil {
			return nil, badFilter(f, "want a name or a pattern")
		}
		return func(i Image) bool {
			return len(matchReference(i, f.Value)) > 0 || sameImageID(i, f.Value) || slices.ContainsFunc(i.RepoDigests, func(d string) bool { return referenceFits(d, f.Value) })
		}, nil
	}
	return nil, nil
}

func sameImageID(i Image, ref string) bool {
	id := strings.TrimPrefix(ref, "sha256:")
	return len(id) >= 3 && len(id) <= 64 && strings.HasPrefix(i.ID, id)
}

// referenceNames gives the function that says which of an image's names the
// reference filters mean; nil where there is no such filter.
func referenceNames(filters []Filter) (func(Image) []string, error) {
	var patterns []string
	for _, f := range filters {
		if f.Key == "reference" && !f.Not {
			patterns = append(patterns, f.Value)
		}
	}
	if patterns == nil {
		return nil, nil
	}
	return func(i Image) []string {
		var names []string
		for _, n := range i.Names {
			if slices.ContainsFunc(patterns, func(p string) bool { return referenceFits(n, p) }) {
				names = append(names, n)
			}
		}
		return names
	}, nil
}

func matchReference(i Image, pattern string) []string {
	var names []string
	for _, n := range i.Names {
		if referenceFits(n, pattern) {
			names = append(names, n)
		}
	}
	return names
}

// referenceFits reports whether a pattern, which may be a short name, means a
// full name. Without a tag it means all tags. "*" does not cross a slash.
func referenceFits(full, pattern string) bool {
	repo := full
	if at := strings.IndexByte(repo, '@'); at >= 0 {
		repo = repo[:at]
	} else if i := strings.LastIndexByte(repo, ':'); i > strings.LastIndexByte(repo, '/') {
		repo = repo[:i]
	}
	for _, name := range []string{full, repo} {
		for {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
			_, rest, found := strings.Cut(name, "/")
			if !found {
				break
			}
			name = rest
		}
	}
	return false
}

// ImagePrune lists the images that a prune removes: those without a name, or
// with all set those that no container uses.
func (e *Engine) ImagePrune(all bool, filters []Filter) ([]Image, error) {
	images, err := e.ImageList(ImageListOptions{All: true, Filters: filters, Containers: true})
	if err != nil {
		return nil, err
	}
	prune := make([]Image, 0, len(images))
	for _, i := range images {
		if i.Containers == 0 && !i.ReadOnly && (all || i.Dangling() && !i.HasChildren) {
			prune = append(prune, i)
		}
	}
	slices.SortStableFunc(prune, byCreation)
	return prune, nil
}

// removalNames are what to remove so that an image goes away without force:
// every name, the last of which takes it along, or the id of one without names.
func removalNames(img *state.Image) []string {
	switch {
	case len(img.Names) > 0:
		return img.Names
	case len(img.RepoDigests) > 0:
		return img.RepoDigests
	}
	return []string{img.ID}
}
