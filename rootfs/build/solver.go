package build

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/build/recipe"
	"skiff/state"
)

// solver builds one Dockerfile for one platform. Each stage that is needed has a
// goroutine of its own, which waits for others only where it takes something from
// them.
type solver struct {
	*Builder
	recipe *recipe.Recipe
	target imgspec.Platform
	// several says that other platforms are built, too, and titles name this one.
	several bool
	// known are the stages that the Dockerfile itself says are needed.
	known int
	// cancel ends all stages.
	cancel context.CancelCauseFunc
	group  sync.WaitGroup

	mu     sync.Mutex
	stages map[int]*stage
}

// stage is one stage under way.
type stage struct {
	*recipe.Stage
	// order counts the stages that are built, from 1.
	order int
	plan  *recipe.Plan
	done  chan struct{}
	// out and err are set when done is closed.
	out *stageResult
	err error
}

// stageResult is a stage that is done.
type stageResult struct {
	// base is the image below; nil for none (scratch).
	base *state.Image
	// layers are what the build has put on it, lowest first.
	layers []*cache.Layer
	// key stands for the files of all of it.
	key string
	// plan is that of the stage; nil for one on which nothing was done.
	plan   *recipe.Plan
	config recipe.Config
	author string
	// history are the entries since the base's.
	history  []history
	platform imgspec.Platform
	// swallowed says that the base's layers are in the build's own (--squash-all).
	swallowed bool
}

// history is one entry; layer is the index of its layer, -1 for none.
type history struct {
	createdBy string
	layer     int
}

// result is what was built for one platform.
type result struct {
	*stageResult
	recipe *recipe.Recipe
	// steps are the layers before they were squashed, all those of every stage.
	steps, all []*cache.Layer
}

func newSolver(b *Builder, rec *recipe.Recipe, target imgspec.Platform, several bool) *solver {
	return &solver{Builder: b, recipe: rec, target: target, several: several, stages: map[int]*stage{}}
}

// solve runs all needed stages and gives the wanted one. The first failure ends
// the others; it is the one that is reported.
func (s *solver) solve(ctx context.Context) (*result, error) {
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	wanted := s.recipe.Wanted()
	s.known = len(wanted)
	for _, i := range wanted {
		s.start(ctx, i)
	}
	s.group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	r := &result{stageResult: s.stages[s.recipe.Result].out, recipe: s.recipe}
	r.steps = r.layers
	for _, st := range s.stages {
		r.all = append(r.all, st.out.layers...)
	}
	return r, nil
}

// start begins a stage, or finds that it has begun.
func (s *solver) start(ctx context.Context, index int) *stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stages[index]
	if st != nil {
		return st
	}
	st = &stage{Stage: s.recipe.Stages[index], order: len(s.stages) + 1, done: make(chan struct{})}
	s.stages[index] = st
	s.group.Go(func() {
		defer close(st.done)
		if st.out, st.err = s.stage(ctx, st); st.err != nil {
			s.cancel(st.err)
		}
	})
	return st
}

// wait gives another stage's result. One that only ONBUILD of a base asks for
// begins now.
func (s *solver) wait(ctx context.Context, index int) (*stageResult, error) {
	st := s.start(ctx, index)
	select {
	case <-st.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if st.err != nil {
		return nil, st.err
	}
	return st.out, nil
}

// stage does one stage's steps in order.
func (s *solver) stage(ctx context.Context, st *stage) (*stageResult, error) {
	out, err := s.begin(ctx, st)
	if err != nil {
		return nil, &LocatedError{Location: st.Location, Step: "FROM " + st.BaseName, Err: err}
	}
	plan, err := s.recipe.Plan(st.Index, out.config, recipe.PlanOptions{Base: out.plan, Author: out.author, Actual: out.actual()})
	if err != nil {
		return nil, err
	}
	st.plan = plan
	from := s.vertexOfBase(st)
	if from.Minor = out.base == nil || out.plan != nil; from.Minor {
		s.display.Begin(from).Done() // there is nothing to get
	} else {
		s.display.Begin(from).Cached()
	}
	for _, step := range plan.Steps {
		if err := s.step(ctx, st, out, step); err != nil {
			return nil, s.failed(ctx, out, step, err)
		}
	}
	out.plan, out.config, out.author = plan, plan.Config, plan.Author
	return out, nil
}

// actual is the platform that the base turned out to have.
func (r *stageResult) actual() *imgspec.Platform {
	if r.base == nil {
		return nil
	}
	return &r.platform
}

// begin gives what a stage starts from.
func (s *solver) begin(ctx context.Context, st *stage) (*stageResult, error) {
	switch st.Base {
	case recipe.BaseScratch:
		return &stageResult{key: key("scratch"), platform: st.Platform}, nil
	case recipe.BaseStage:
		from, err := s.wait(ctx, st.BaseAt)
		if err != nil {
			return nil, err
		}
		out := *from
		out.layers, out.history = clip(out.layers), clip(out.history)
		return &out, nil
	case recipe.BaseContext:
		return s.contextBase(ctx, st)
	}
	return s.image(ctx, st.BaseName, st.Platform)
}

// clip has append make a copy.
func clip[T any](list []T) []T { return list[:len(list):len(list)] }

// step does one step, or finds that it was done.
func (s *solver) step(ctx context.Context, st *stage, out *stageResult, step *recipe.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entry, below := history{createdBy: step.CreatedBy, layer: -1}, out.key
	if step.Kind != recipe.StepConfig {
		w, err := s.work(ctx, out, step)
		if err != nil {
			return err
		}
		made, err := s.make(ctx, st, w)
		if err != nil {
			return err
		}
		out.layers = append(out.layers, made)
		out.key, entry.layer = made.Key, len(out.layers)-1
		if w.alone {
			out.key = key("on", below, made.Key)
		}
	} else {
		v := s.vertexOf(st, step)
		v.Minor = true
		s.display.Begin(v).Done()
	}
	out.history = append(out.history, entry)
	return nil
}

// work is a step that has files.
type work struct {
	step *recipe.Step
	// below are the directories of the layers under the step.
	below []string
	// key is what the cache knows the step by.
	key string
	// alone says that the layer does not depend on what is below (COPY --link).
	alone bool
	// stale says that what was done is not what the key says: it is of no use for
	// another build.
	stale atomic.Bool
	// used is what the step's program has used, once it has ended.
	used state.Usage
	// do does it into a new writable layer.
	do func(ctx context.Context, w *cache.Work, v vertical) error
}

func (s *solver) work(ctx context.Context, out *stageResult, step *recipe.Step) (*work, error) {
	w := &work{step: step, below: out.dirs()}
	var err error
	switch step.Kind {
	case recipe.StepRun:
		err = s.run(ctx, out, w)
	case recipe.StepCopy:
		err = s.copy(ctx, out, w)
	case recipe.StepWorkdir:
		err = s.workdir(out, w)
	default:
		err = errors.New("the step is of an unknown kind")
	}
	return w, err
}

// make takes the step's layer from the cache or has it done.
func (s *solver) make(ctx context.Context, st *stage, w *work) (*cache.Layer, error) {
	known, old := w.key, s.fresh(st)
	if !old {
		l, ok := s.cached(ctx, w.key)
		if old = ok && s.tooOld(l); ok && !old {
			s.display.Begin(s.vertexOf(st, w.step)).Cached()
			return l, nil
		}
	}
	if old {
		known = key(w.key, s.nonce)
	}
	select {
	case s.jobs <- struct{}{}:
		defer func() { <-s.jobs }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var made *cache.Layer
	err := s.vertex(s.vertexOf(st, w.step), func(v vertical) error {
		into, err := s.cache.Begin()
		if err != nil {
			return err
		}
		if err := s.do(ctx, w, into, v); err != nil {
			return errors.Join(err, s.discard(into))
		}
		s.done.Add(1)
		if w.stale.Load() {
			known = key(known, nonce())
		}
		rec := cache.Record{Key: known, Title: w.step.Title}
		if known != w.key && !w.stale.Load() {
			rec.Renews = w.key
		}
		made, err = into.Commit(rec)
		return err
	})
	if err == nil {
		err = s.renew(made)
	}
	return made, err
}

// cached finds the layer of a step. One that was done again without the cache is
// known by another key from then on, so that what was built on the older one is
// not taken for what is built on it.
func (s *solver) cached(ctx context.Context, k string) (*cache.Layer, bool) {
	if newer, ok := s.cache.Result(renewed(k)); ok {
		if l, ok := s.cache.Lookup(newer); ok {
			return l, true
		}
	}
	if l, ok := s.cache.Lookup(k); ok {
		return l, true
	}
	return s.imported(ctx, k)
}

// renew has the usual key of a step that was done again lead to it.
func (s *solver) renew(l *cache.Layer) error {
	if l.Renews == "" {
		return nil
	}
	return s.cache.Remember(renewed(l.Renews), l.Key)
}

// tooOld carries out --cache-ttl.
func (s *solver) tooOld(l *cache.Layer) bool {
	ttl, err := time.ParseDuration(s.opt.CacheTTL)
	return err == nil && s.began.Sub(l.Created) > ttl
}

func renewed(k string) string { return key("renewed", k) }

// fresh reports whether the stage's steps are done whatever the cache has.
func (s *solver) fresh(st *stage) bool {
	return s.opt.NoCache || slices.ContainsFunc(s.opt.NoCacheStages, func(name string) bool {
		return strings.EqualFold(name, st.Name) || name == strconv.Itoa(st.Index)
	})
}

// dirs are the directories of all layers, lowest first.
func (r *stageResult) dirs() []string {
	var list []string
	if r.base != nil && !r.swallowed {
		list = append(list, r.base.Layers...)
	}
	for _, l := range r.layers {
		list = append(list, l.Dir)
	}
	return list
}
