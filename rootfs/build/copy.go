package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/place"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
)

// copy prepares a COPY or an ADD: its files are known by their content.
func (s *solver) copy(ctx context.Context, out *stageResult, w *work) error {
	c := w.step.Copy
	parts := []string{string(w.step.Key())}
	var local []string
	var remotes []*remote
	for _, src := range c.Sources {
		r, err := s.remote(src, c)
		if err != nil {
			return err
		}
		if r == nil {
			local = append(local, src)
			continue
		}
		identity, err := r.Identity(ctx)
		if err != nil {
			return err
		}
		if err := s.remember(r); err != nil {
			return err
		}
		remotes, parts = append(remotes, r), append(parts, src, identity)
	}
	if len(local) > 0 && c.Checksum != "" {
		return fmt.Errorf("--checksum is for URLs and git repositories, and %q is neither", local[0])
	}
	var items []place.Item
	if len(local) > 0 {
		f, err := s.copyFrom(ctx, c)
		if err != nil {
			return err
		}
		sel := source.Selection{Sources: local, Parents: c.Parents, Excludes: c.Excludes}
		d, err := f.digestOf(sel)
		if err != nil {
			return err
		}
		parts, items = append(parts, d), append(items, place.Item{Tree: f.tree, Selection: sel, Unpack: unpacks(c)})
	}
	// The names of owners are looked up in what is below.
	if w.alone = c.Link && !named(c.Chown); w.alone {
		w.key = key(append([]string{"link"}, parts...)...)
	} else {
		w.key = key(append([]string{"copy", out.key}, parts...)...)
	}
	below := *out
	w.do = func(ctx context.Context, into *cache.Work, v vertical) error {
		for _, r := range remotes {
			item, err := r.item(ctx)
			if err != nil {
				return err
			}
			if r.Changed() {
				w.stale.Store(true)
				if err := s.remember(r); err != nil {
					return err
				}
			}
			items = append(items, item)
		}
		return s.place(ctx, &below, w, into, v, items)
	}
	return nil
}

func (s *solver) copyFrom(ctx context.Context, c *recipe.Copy) (*files, error) {
	o := recipe.Origin{Stage: c.FromStage}
	switch {
	case c.FromContext:
		o.Context = c.From
	case c.FromStage < 0:
		o.Image = c.From
	}
	return s.from(ctx, o)
}

// place copies into a new layer.
func (s *solver) place(ctx context.Context, out *stageResult, w *work, into *cache.Work, v vertical, items []place.Item) (err error) {
	req := place.Request{Copy: w.step.Copy, Items: items, Warn: s.display.Warn, Changed: func(path string) {
		if !w.stale.Swap(true) {
			fmt.Fprintf(v.Stderr(), "%s changed while it was copied: the next build copies it again\n", path)
		}
	}}
	below := w.below
	if req.Copy.Link {
		below = nil
		if req.Accounts, err = s.views.read(out.key, w.below); err != nil {
			return err
		}
	}
	root, done, err := s.views.write(below, into)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return place.Copy(ctx, root, req)
}

// named reports whether an owner is given by name.
func named(chown string) bool { return strings.Trim(chown, "0123456789:") != "" }

// workdir prepares a WORKDIR: the directory is made where it is missing.
func (s *solver) workdir(out *stageResult, w *work) error {
	w.key = key("workdir", out.key, string(w.step.Key()))
	w.do = func(_ context.Context, into *cache.Work, _ vertical) (err error) {
		root, done, err := s.views.write(w.below, into)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		return place.Workdir(root, w.step.Dir, w.step.User)
	}
	return nil
}

// unpacks reports whether archives among the local sources are unpacked: those of
// ADD, unless --unpack says no.
func unpacks(c *recipe.Copy) bool {
	if c.Unpack != nil {
		return *c.Unpack
	}
	return c.Add
}
