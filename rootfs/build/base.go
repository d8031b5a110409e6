package build

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/recipe"
	"skiff/state"
)

// base is an image that the build begins with or takes files from.
type base struct {
	once sync.Once
	img  *state.Image
	err  error
}

// image gives an image as the state of a stage on which nothing was done yet. It
// is pulled once for each platform that is asked for.
func (b *Builder) image(ctx context.Context, name string, p imgspec.Platform) (*stageResult, error) {
	b.mu.Lock()
	k := name + " " + recipe.FormatPlatform(p)
	found := b.bases[k]
	if found == nil {
		found = &base{}
		b.bases[k] = found
	}
	b.mu.Unlock()
	found.once.Do(func() { found.img, found.err = b.pull(ctx, name, p) })
	if found.err != nil {
		return nil, found.err
	}
	return startFrom(found.img)
}

// pull finds an image here, or fetches it as --pull says.
func (b *Builder) pull(ctx context.Context, name string, p imgspec.Platform) (*state.Image, error) {
	if policy := b.Request.Policy; policy == "" || policy == "missing" || policy == "never" {
		img, _, err := b.Images.Lookup(name)
		if err == nil && fits(img, p) {
			return img, nil
		}
	}
	var img *state.Image
	err := b.vertex(progress.Vertex{ID: key("pull", name), Name: "[internal] load metadata for " + name}, func(vertical) error {
		s, err := b.open()
		if err != nil {
			return err
		}
		img, err = s.BaseImage(ctx, name, recipe.FormatPlatform(p), b.Request.Policy)
		return err
	})
	if err != nil {
		if !strings.Contains(err.Error(), name) {
			err = fmt.Errorf("cannot use the image %q: %w", name, err)
		}
		return nil, err
	}
	return img, nil
}

// startFrom makes the beginning of a stage of an image's record.
func startFrom(img *state.Image) (*stageResult, error) {
	r := &stageResult{base: img, author: img.Author, platform: imgspec.Platform{
		OS: img.OS, Architecture: img.Architecture, Variant: img.Variant,
	}}
	r.key = key(append([]string{"image"}, img.DiffIDs...)...)
	c := img.Config
	r.config = recipe.Config{OnBuild: c.OnBuild, Shell: c.Shell, ImageConfig: imgspec.ImageConfig{
		User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir,
		Labels: c.Labels, StopSignal: c.StopSignal, ExposedPorts: set(c.ExposedPorts), Volumes: set(c.Volumes),
	}}
	if h := c.Healthcheck; h != nil {
		r.config.Healthcheck = &recipe.Healthcheck{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod,
			StartInterval: h.StartInterval, Retries: h.Retries,
		}
	}
	// What is changed is a copy: several stages may begin with one image.
	var own recipe.Config
	text, err := json.Marshal(r.config)
	if err == nil {
		err = json.Unmarshal(text, &own)
	}
	r.config = own
	return r, err
}

func set(keys []string) map[string]struct{} {
	if len(keys) == 0 {
		return nil
	}
	m := map[string]struct{}{}
	for _, k := range keys {
		m[k] = struct{}{}
	}
	return m
}
