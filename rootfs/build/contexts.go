package build

import (
	"context"
	"fmt"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/archive"
	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/place"
	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
	"skiff/state"
)

// contextBase begins a stage with a context of --build-context, which is an image
// in another's place, or a directory whose files the stage begins with.
func (s *solver) contextBase(ctx context.Context, st *stage) (*stageResult, error) {
	given := s.opt.Contexts[st.BaseName]
	if isImage(given) {
		return s.contextImage(ctx, given, st.Platform)
	}
	f, err := s.contextFiles(ctx, st.BaseName, given)
	if err != nil {
		return nil, err
	}
	if f.layers != nil { // a stage
		i, _ := s.stageNamed(strings.TrimPrefix(given, targetPrefix))
		return s.wait(ctx, i)
	}
	sel := source.Selection{Sources: []string{"."}}
	d, err := f.digestOf(sel)
	if err != nil {
		return nil, err
	}
	l, err := s.layerFrom(key("context", d), "files of context "+st.BaseName, func(into *cache.Work) error {
		return s.fill(ctx, into, f.tree, sel)
	})
	if err != nil {
		return nil, err
	}
	return &stageResult{key: l.Key, layers: []*cache.Layer{l}, config: recipe.Empty(), platform: st.Platform}, nil
}

const targetPrefix = "target:"

// isImage reports whether a context stands for an image.
func isImage(given string) bool {
	kind, _, ok := strings.Cut(given, "://")
	return ok && (kind == "docker-image" || kind == "container-image" || kind == "oci-layout")
}

// contextImage finds the image that a context stands for.
func (b *Builder) contextImage(ctx context.Context, given string, p imgspec.Platform) (*stageResult, error) {
	kind, rest, _ := strings.Cut(given, "://")
	if kind != "oci-layout" {
		return b.image(ctx, rest, p)
	}
	if strings.Contains(rest, "@") {
		return nil, fmt.Errorf("cannot use the image in %q: name it by its tag, as oci-layout://PATH:TAG", rest)
	}
	var img *state.Image
	err := b.vertex(progress.Vertex{ID: key("layout", rest), Name: "[internal] load metadata for " + given}, func(vertical) error {
		s, err := b.open()
		if err != nil {
			return err
		}
		images, err := archive.Pull(ctx, s, "oci:"+rest)
		if err == nil {
			img, err = b.Images.Load(images[0].ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use the image in %q: %w", rest, err)
	}
	return startFrom(img)
}

// layerFrom takes a layer that is no step's from the cache, or has it filled.
func (b *Builder) layerFrom(k, title string, fill func(*cache.Work) error) (*cache.Layer, error) {
	if l, ok := b.cache.Lookup(k); ok {
		return l, nil
	}
	into, err := b.cache.Begin()
	if err != nil {
		return nil, err
	}
	if err := fill(into); err != nil {
		into.Discard()
		return nil, err
	}
	return into.Commit(cache.Record{Key: k, Title: title, Input: true})
}

// fill copies a selection of a tree to the top of an empty layer.
func (s *solver) fill(ctx context.Context, into *cache.Work, t *source.Tree, sel source.Selection) error {
	root, done, err := s.views.write(nil, into)
	if err != nil {
		return err
	}
	req := place.Request{Copy: &recipe.Copy{FromStage: -1, Dest: "/", Cwd: "/", Parents: sel.Parents}, Items: []place.Item{{Tree: t, Selection: sel}}}
	if err := place.Copy(ctx, root, req); err != nil {
		done()
		return err
	}
	return done()
}
