package build

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
)

// files are a place that COPY --from and RUN --mount take files from.
type files struct {
	tree *source.Tree
	// layers are those that tree shows, nil for a context of the host's.
	layers []string
	// key stands for all of it, empty for a context.
	key string
	// known remembers digests under key.
	known *cache.Cache
}

// digest gives the content digest of paths. Those of stages and images are
// remembered: the same layers have the same files.
func (f *files) digest(paths []string) (string, error) {
	return f.digestOf(source.Selection{Sources: paths, Parents: true})
}

func (f *files) digestOf(sel source.Selection) (string, error) {
	k := ""
	if f.key != "" {
		k = key("digest", f.key, fmt.Sprintf("%q", sel.Sources), fmt.Sprintf("%q %t", sel.Excludes, sel.Parents))
		if d, ok := f.known.Result(k); ok {
			return d, nil
		}
	}
	d, err := f.tree.Digest(sel)
	if err == nil && k != "" {
		err = f.known.Remember(k, d.String())
	}
	return d.String(), err
}

// from opens the place that an instruction takes files from.
func (s *solver) from(ctx context.Context, o recipe.Origin) (*files, error) {
	switch {
	case o.Context != "":
		return s.contextFiles(ctx, o.Context, s.opt.Contexts[o.Context])
	case o.Stage >= 0:
		r, err := s.wait(ctx, o.Stage)
		if err != nil {
			return nil, err
		}
		return s.merged(r, "stage "+s.recipe.StageName(o.Stage))
	case o.Image == "scratch":
		return s.merged(&stageResult{key: key("scratch")}, o.Image)
	case o.Image != "":
		r, err := s.image(ctx, o.Image, s.target)
		if err != nil {
			return nil, err
		}
		return s.merged(r, "image "+o.Image)
	}
	t, err := s.inputs.main()
	return &files{tree: t}, err
}

// merged shows a result's files.
func (s *solver) merged(r *stageResult, name string) (*files, error) {
	dirs := r.dirs()
	root, err := s.views.read(r.key, dirs)
	if err != nil {
		return nil, err
	}
	return &files{
		tree: &source.Tree{Name: name, Root: root, Owned: true}, layers: dirs, key: r.key, known: s.cache,
	}, nil
}

// contextFiles opens a context of --build-context.
func (s *solver) contextFiles(ctx context.Context, name, given string) (*files, error) {
	switch {
	case isImage(given):
		r, err := s.contextImage(ctx, given, s.target)
		if err != nil {
			return nil, err
		}
		return s.merged(r, "context "+name)
	case strings.HasPrefix(given, targetPrefix):
		i, ok := s.stageNamed(strings.TrimPrefix(given, targetPrefix))
		if !ok {
			return nil, fmt.Errorf("the context %q is to be the stage %q, which does not exist", name, strings.TrimPrefix(given, targetPrefix))
		}
		r, err := s.wait(ctx, i)
		if err != nil {
			return nil, err
		}
		return s.merged(r, "stage "+name)
	}
	t, err := s.inputs.namedTree(ctx, name, given)
	return &files{tree: t}, err
}

// snapshot puts paths of a context into a layer, so that a container can see them
// and nothing else of the host.
func (s *solver) snapshot(ctx context.Context, f *files, paths []string) ([]string, error) {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	d, err := f.digest(paths)
	if err != nil {
		return nil, err
	}
	l, err := s.layerFrom(key("snapshot", d, strings.Join(paths, "\x00")), "files of the build context", func(into *cache.Work) error {
		return s.fill(ctx, into, f.tree, source.Selection{Sources: paths, Parents: true})
	})
	if err != nil {
		return nil, err
	}
	return []string{l.Dir}, nil
}

// stageNamed finds the stage that a context of the form target:STAGE means.
func (s *solver) stageNamed(name string) (int, bool) {
	i := slices.IndexFunc(s.recipe.Stages, func(o *recipe.Stage) bool { return o.Name != "" && strings.EqualFold(o.Name, name) })
	return i, i >= 0
}
