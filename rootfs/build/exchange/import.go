package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
)

// Importer takes steps from other caches. Its methods may be called by several
// goroutines.
type Importer struct {
	steps map[string]found // by key
	open  []*registry.Blobs
	warn  func(string)
}

// found is a step and where it is.
type found struct {
	step  Step
	from  *registry.Blobs
	place string
}

// Open reads what the places have. What cannot be read is told to warn, once, and
// is no reason to fail: the steps are done then.
func Open(ctx context.Context, s *registry.Session, places []imagecall.Place, warn func(string)) *Importer {
	i := &Importer{steps: map[string]found{}, warn: warn}
	for _, p := range places {
		if err := i.add(ctx, s, p); err != nil {
			warn(fmt.Sprintf("cannot use the build cache %s: %v", called(p), err))
		}
	}
	return i
}

func called(p imagecall.Place) string {
	if p.Type == "local" {
		return strconv.Quote(p.Attrs["src"])
	}
	return p.Attrs["ref"]
}

// Close ends the use of the caches.
func (i *Importer) Close() {
	for _, b := range i.open {
		b.Close()
	}
	i.open, i.steps = nil, nil
}

func (i *Importer) add(ctx context.Context, s *registry.Session, p imagecall.Place) error {
	b, err := openPlace(ctx, s, p)
	if err != nil {
		return err
	}
	steps, err := read(ctx, b)
	if err != nil {
		b.Close()
		return err
	}
	i.open = append(i.open, b)
	for _, step := range steps {
		for _, k := range []string{step.Key, step.Renews} {
			if _, ok := i.steps[k]; !ok && k != "" {
				i.steps[k] = found{step, b, called(p)}
			}
		}
	}
	return nil
}

func openPlace(ctx context.Context, s *registry.Session, p imagecall.Place) (b *registry.Blobs, err error) {
	switch p.Type {
	case "local":
		return s.OpenLayout(ctx, p.Attrs["src"])
	case "registry":
		list, err := names(p)
		if err != nil {
			return nil, err
		}
		var errs []error
		for _, name := range list {
			b, err := s.OpenBlobs(ctx, name)
			if err == nil {
				return b, nil
			}
			errs = append(errs, &registry.Failed{Verb: "pull", Image: name, Err: err})
		}
		return nil, errs[len(errs)-1]
	}
	return nil, fmt.Errorf("type %q cannot be read", p.Type)
}

// read gives the steps of a cache, or of an image that says which steps its layers
// came from.
func read(ctx context.Context, b *registry.Blobs) ([]Step, error) {
	var m imgspec.Manifest
	if err := json.Unmarshal(b.Manifest, &m); err != nil {
		return nil, errors.New("its manifest is not valid")
	}
	if m.Config.Digest == "" {
		return nil, errors.New("it is neither a build cache nor an image")
	}
	config, err := b.Config(ctx, m.Config)
	if err != nil {
		return nil, err
	}
	steps, err := stepsOf(m, config)
	if err != nil {
		return nil, err
	}
	if len(steps) > mostSteps {
		return nil, fmt.Errorf("it has %d steps: %d is the most", len(steps), mostSteps)
	}
	for n := range steps {
		if err := steps[n].check(len(m.Layers)); err != nil {
			return nil, err
		}
		steps[n].blob = m.Layers[steps[n].Layer]
	}
	return steps, nil
}

func stepsOf(m imgspec.Manifest, config []byte) ([]Step, error) {
	if m.Config.MediaType != ConfigType {
		return inlineSteps(config)
	}
	var d document
	if err := json.Unmarshal(config, &d); err != nil {
		return nil, errors.New("it is not valid")
	}
	if d.Version != documentVersion {
		return nil, fmt.Errorf("it is of version %d, which this skiff does not know", d.Version)
	}
	return d.Steps, nil
}

// inlineSteps reads an image's configuration. Most images have no steps in it.
func inlineSteps(config []byte) ([]Step, error) {
	var c struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
		Cache *inline `json:"vnd.skiff.buildcache.v1"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, errors.New("its configuration is not valid")
	}
	if c.Cache == nil || c.Cache.Version != documentVersion {
		return nil, nil
	}
	if len(c.Cache.Keys) > len(c.RootFS.DiffIDs) || len(c.Cache.Renews) > len(c.Cache.Keys) {
		return nil, errors.New("it has more keys than layers")
	}
	var steps []Step
	for n, k := range c.Cache.Keys {
		if k != "" {
			step := Step{Key: k, Layer: n, DiffID: c.RootFS.DiffIDs[n], inlined: true}
			if n < len(c.Cache.Renews) {
				step.Renews = c.Cache.Renews[n]
			}
			steps = append(steps, step)
		}
	}
	return steps, nil
}

// Fetch takes the step with a key over into the cache, if one of the places has
// it. One that cannot be taken over counts as not there.
func (i *Importer) Fetch(ctx context.Context, c *cache.Cache, key string) (*cache.Layer, bool) {
	f, ok := i.steps[key]
	if !ok {
		return nil, false
	}
	l, err := f.fetch(ctx, c)
	if err != nil {
		if ctx.Err() == nil {
			i.warn(fmt.Sprintf("cannot use a step of the build cache %s: %v", f.place, err))
		}
		return nil, false
	}
	return l, true
}

// Has reports whether one of the places has a step with this key.
func (i *Importer) Has(key string) bool {
	_, ok := i.steps[key]
	return ok
}

func (f *found) fetch(ctx context.Context, c *cache.Cache) (*cache.Layer, error) {
	w, err := c.Begin()
	if err != nil {
		return nil, err
	}
	if err := f.unpack(ctx, w.Upper); err != nil {
		return nil, errors.Join(err, w.Discard())
	}
	return w.Commit(cache.Record{Key: f.step.Key, Renews: f.step.Renews, Title: f.step.Title, Input: f.step.Input})
}

// unpack unpacks the layer and checks all of it: the digest of what came, and that
// of what was in it.
func (f *found) unpack(ctx context.Context, dir string) error {
	blob := f.step.blob
	raw, err := f.from.Open(ctx, blob)
	if err != nil {
		return err
	}
	defer raw.Close()
	outer := blob.Digest.Verifier()
	received := io.TeeReader(&limited{r: raw, left: blob.Size}, outer)
	plain, err := registry.Decompress(received)
	if err != nil {
		return err
	}
	defer plain.Close()
	most := f.step.Size
	if most == 0 {
		most = mostArchive
	}
	inner := f.step.DiffID.Verifier()
	archive := io.TeeReader(&limited{r: plain, left: most}, inner)
	if err := store.UnpackLayer(archive, dir); err != nil {
		return err
	}
	for _, rest := range []io.Reader{archive, received} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return err
		}
	}
	if !outer.Verified() {
		return fmt.Errorf("what was received is not the layer with the digest %s", blob.Digest)
	}
	if !inner.Verified() {
		return fmt.Errorf("the layer does not hold what it should, %s", f.step.DiffID)
	}
	return nil
}

// limited fails where more comes than was announced.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("the layer is larger than it should be")
	}
	return n, err
}
