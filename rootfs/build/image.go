package build

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/store"
	"skiff/state"
)

// imageConfig is the whole configuration of an image. OCI image spec: config.md.
type imageConfig struct {
	Created time.Time `json:"created"`
	Author  string    `json:"author,omitempty"`
	imgspec.Platform
	Config  recipe.Config     `json:"config"`
	RootFS  imgspec.RootFS    `json:"rootfs"`
	History []imgspec.History `json:"history,omitempty"`
	// Cache is exchange.InlineKey.
	Cache json.RawMessage `json:"vnd.skiff.buildcache.v1,omitempty"`
}

// configOf makes the configuration of what was built. Times are those at which
// layers were made, as BuildKit has them, so that what comes from the cache makes
// the same image again: an entry without a layer has the time of the first new
// layer or of the last one before it.
func (b *Builder) configOf(r *stageResult, layers []store.NewLayer) ([]byte, error) {
	c := imageConfig{Author: r.author, Platform: r.platform, Config: r.config, RootFS: imgspec.RootFS{Type: "layers"}}
	last := time.Time{}
	if r.base != nil {
		c.History = pastHistory(r.base)
		last = r.base.Created
		for _, d := range r.baseDiffIDs() {
			c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.Digest(d))
		}
		for i := range c.History {
			c.History[i].EmptyLayer = c.History[i].EmptyLayer || r.swallowed
		}
	}
	if len(r.layers) > 0 {
		last = r.layers[0].Created
	} else if r.base == nil {
		last = b.began
	}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.Digest(l.DiffID))
	}
	for _, h := range r.history {
		if h.layer >= 0 {
			last = r.layers[h.layer].Created
		}
		c.History = append(c.History, imgspec.History{
			Created: b.clamp(last), CreatedBy: h.createdBy, Comment: "buildkit.dockerfile.v0", EmptyLayer: h.layer < 0,
		})
	}
	c.Created = *b.clamp(last)
	var err error
	if c.Cache, err = b.inline(r); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// baseDiffIDs are the base's layers that the image has.
func (r *stageResult) baseDiffIDs() []string {
	if r.swallowed {
		return nil
	}
	return r.base.DiffIDs
}

// clamp makes no time later than --timestamp.
func (b *Builder) clamp(t time.Time) *time.Time {
	t = t.UTC()
	if bound := b.epoch(); bound != nil && t.After(*bound) {
		t = *bound
	}
	return &t
}

func pastHistory(img *state.Image) []imgspec.History {
	var list []imgspec.History
	for _, h := range img.History {
		e := imgspec.History{CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment, EmptyLayer: h.EmptyLayer}
		if !h.Created.IsZero() {
			e.Created = &h.Created
		}
		list = append(list, e)
	}
	return list
}

// resultKey is what the result is remembered by: an image with the same key has
// the same files and configuration.
func (b *Builder) resultKey(r *stageResult) (string, error) {
	// Digests and times follow from the layers.
	c := imageConfig{Author: r.author, Platform: r.platform, Config: r.config}
	for _, h := range r.history {
		c.History = append(c.History, imgspec.History{CreatedBy: h.createdBy, EmptyLayer: h.layer < 0})
	}
	inline, err := b.inline(r)
	if err != nil {
		return "", err
	}
	how, err := json.Marshal([]any{c, inline, b.opt.Format, b.opt.Annotations, b.opt.Squash, b.opt.SquashAll, b.opt.Timestamp})
	if err != nil {
		return "", err
	}
	parts := []string{"image", r.key, string(how)}
	if r.base != nil {
		parts = append(parts, r.base.ID) // its history is in the image, too
	}
	for _, l := range r.layers {
		parts = append(parts, l.ID)
	}
	return key(slices.Clip(parts)...), nil
}
