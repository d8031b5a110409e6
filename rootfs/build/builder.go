// Package build makes images from Dockerfiles: it decides which steps there are
// to do, asks the cache for those that were done before, has the others done, and
// hands the result over.
//
// Not here: reading Dockerfiles (recipe), opening contexts (source), placing files
// (place), keeping results (cache), and running programs, which is the engine's.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/exchange"
	"skiff/rootfs/build/progress"
	"skiff/rootfs/build/recipe"
	"skiff/rootfs/build/source"
	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
)

// Runner runs the programs of RUN; the engine does it.
type Runner interface {
	Run(ctx context.Context, step imagecall.Step, stdio [3]*os.File) (imagecall.StepResult, error)
}

// Tools are what a build works with.
type Tools struct {
	Request *imagecall.Request
	// Images are the records of images, read without opening the store.
	Images layer.Images
	Runner Runner
	// Open opens the image store and a session for registries with it; it is called
	// once, and not at all by a build that finds everything done.
	Open func() (*registry.Session, error)
	// PushIndex sends an index of the store to a registry.
	PushIndex func(ctx context.Context, s *registry.Session, id, dest string) (*imagecall.Image, error)
	// In and Out are the user's standard input and output, Err standard error.
	In, Out, Err *os.File
}

// Builder is one build.
type Builder struct {
	Tools
	opt     *imagecall.Build
	cache   *cache.Cache
	views   *views
	digests *source.Digests
	display progress.Display
	inputs  *inputs
	jobs    chan struct{}
	began   time.Time
	// host is this machine's platform.
	host imgspec.Platform
	// nonce makes the keys of steps different from all others (--no-cache).
	nonce string
	// scratch is a directory for what comes from the network.
	scratch string
	// names are those of --tag, in full.
	names []string
	// added are the images that this build has put into the store, by id, and pushed
	// is the digest of what it has sent last.
	added  map[string]bool
	pushed string
	// indexAnnotations are those of the index of several images.
	indexAnnotations map[string]string

	open func() (*registry.Session, error)
	// importOnce gives the caches of --cache-from, nil without any.
	importOnce func() *exchange.Importer
	mu         sync.Mutex
	// bases are images that stages begin with or take files from, by name and platform.
	bases map[string]*base
	undo  []func()
	// done counts the steps that were done and not found.
	done atomic.Int64
	// shell is that of --shell-on-failure.
	shell *imagecall.Step
}

// Build carries out Tools.Request.Build.
func Build(ctx context.Context, t Tools) (res imagecall.Result, err error) {
	b := &Builder{
		Tools: t, opt: t.Request.Build, began: time.Now(), host: hostPlatform(),
		bases: map[string]*base{}, added: map[string]bool{}, open: sync.OnceValues(t.Open),
	}
	if b.opt == nil {
		return res, errors.New("cannot build: nothing says what")
	}
	jobs := b.opt.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0) + 1
	}
	b.jobs = make(chan struct{}, jobs)
	defer b.cleanUp()
	if err := b.prepare(); err != nil {
		return res, err
	}
	res, err = b.build(ctx)
	b.display.Close(err)
	if err != nil {
		b.openShell(ctx)
		return res, err
	}
	if b.done.Load() > 0 {
		b.cut()
	}
	return res, err
}

// prepare opens what every build needs.
func (b *Builder) prepare() (err error) {
	roots := b.Request.Roots
	if b.cache, err = cache.Open(roots); err != nil {
		return err
	}
	b.later(b.cache.Close)
	if b.views, err = newViews(roots); err != nil {
		return err
	}
	b.later(b.views.close)
	work, err := b.cache.Begin()
	if err != nil {
		return err
	}
	b.later(func() { work.Discard() })
	b.scratch = work.Upper
	if b.display, err = progress.New(b.displayOptions()); err != nil {
		return err
	}
	if b.opt.NoCache || len(b.opt.NoCacheStages) > 0 {
		b.nonce = nonce()
	}
	return nil
}

// cut keeps the cache within its limits. It is no part of the build: what cannot
// be removed now is tried again after the next one.
func (b *Builder) cut() {
	limits, err := cache.LimitsOf(b.Request.Roots, b.opt.CachePolicy)
	if err == nil {
		_, err = b.cache.Cut(limits)
	}
	if err != nil {
		fmt.Fprintln(b.Err, "cannot cut the build cache:", err)
	}
}

// later has something done when the build ends.
func (b *Builder) later(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.undo = append(b.undo, f)
}

func (b *Builder) cleanUp() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		b.undo[i]()
	}
}

// build does it all, for each platform in turn.
func (b *Builder) build(ctx context.Context) (imagecall.Result, error) {
	var res imagecall.Result
	if err := b.openInputs(ctx); err != nil {
		return res, err
	}
	if b.opt.Check || b.opt.Call != "" {
		return b.call()
	}
	b.importOnce = b.importer(ctx)
	platforms, err := b.platforms()
	if err != nil {
		return res, err
	}
	if err := exchange.Check(b.opt.CacheFrom, b.opt.CacheTo); err != nil {
		return res, err
	}
	if err := b.checkOutputs(len(platforms)); err != nil {
		return res, err
	}
	var results []*result
	for _, p := range platforms {
		r, err := b.solve(ctx, p, len(platforms) > 1)
		if err != nil {
			return res, err
		}
		results = append(results, r)
	}
	res, err = b.export(ctx, results)
	if err != nil {
		return res, err
	}
	if err := b.writeMetadata(res); err != nil {
		return res, err
	}
	return res, b.exportCache(ctx, results)
}

// solve builds the wanted stage for one platform.
func (b *Builder) solve(ctx context.Context, target imgspec.Platform, several bool) (*result, error) {
	rec, err := recipe.Parse(b.inputs.dockerfile, b.recipeOptions(target))
	if err != nil {
		return nil, b.explain(err)
	}
	if b.opt.Timestamp == nil {
		b.opt.Timestamp = rec.Epoch // SOURCE_DATE_EPOCH
	}
	s := newSolver(b, rec, target, several)
	r, err := s.solve(ctx)
	if err == nil {
		err = s.warn()
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return r, nil
}

func (b *Builder) recipeOptions(target imgspec.Platform) recipe.Options {
	names := map[string]bool{}
	for name := range b.opt.Contexts {
		names[name] = true
	}
	return recipe.Options{
		Name: b.inputs.dockerfileName, Args: b.opt.Args, Build: b.host, Target: target,
		TargetStage: b.opt.Target, Contexts: names, Labels: b.opt.Labels,
		Env: b.opt.Env, UnsetEnv: b.opt.UnsetEnv, UnsetLabels: b.opt.UnsetLabels,
	}
}

// vertex shows a piece of work while it is being done.
func (b *Builder) vertex(v progress.Vertex, work func(progress.Vertical) error) error {
	shown := b.display.Begin(v)
	err := work(shown)
	if err != nil {
		shown.Fail(err)
		return err
	}
	shown.Done()
	return nil
}
